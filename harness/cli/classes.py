"""``bench classes``: what generators of one class each are good for."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import RESULTS, CacheOption, Device, Results, Roots, cache_folder, registry, roots_of, tell


def classes(
    runs: Annotated[
        list[str],
        typer.Argument(help="A run for each class: its folder, its name, or the start of it."),
    ],
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Number of trainings of each classifier.")] = 3,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Train a classifier on samples of one run for each class, and test it on real held-out images.

    Beside it stand one that learnt from the real training images, and one that learnt from both.
    """
    from ..cell.records import Store
    from ..running.classes import class_utility
    from ..running.environment import pick_device
    from ..running.images import CellImages
    from ..scoring.segmentation.learning import Recipe

    registry()
    store = Store(results)
    folders = [store.find(run) for run in runs]
    opened = CellImages(roots_of(data_root), cache_folder(cache), tell)
    found = class_utility(folders, opened, Recipe(seeds=seeds), pick_device(device))
    for folder, (real, made, test) in zip(folders, found.counts, strict=True):
        print(f"{folder.path.name}: {real} real and {made} generated images, {test} to test with")
    each = {"auc": found.synthetic, "auc_real": found.real, "auc_both": found.both}
    for name, value in found.numbers.items():
        values = ", ".join(f"{one:.4f}" for one in each.get(name, []))
        print(f"{name:<9} {value:.4f}" + (f"  of {values}" if values else ""))
