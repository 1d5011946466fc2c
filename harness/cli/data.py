"""``bench data``: get raw files, prepare them, and look at them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BenchError, SpecError
from .options import (
    Assignments,
    CacheOption,
    Roots,
    SkipBad,
    Source,
    Target,
    Workers,
    cache_folder,
    data_root_of,
    registry,
    settings_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..api import Dataset
    from ..data.image_set import ImageSet

app = typer.Typer(name="data", help="Get raw files, prepare them, look at them.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--dataset", help="Which data set: bench list datasets.")]
Resolutions = Annotated[
    str, typer.Option("--res", help="Sides of the square images in pixels, comma separated.")
]


@app.command()
def prepare(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
) -> None:
    """Read the raw files once, and keep square images of each resolution for all runs to come."""
    for images in _prepared(dataset, res, (source, target), data_root, cache, assignments, workers, skip_bad):
        patients = images.table["patient"].nunique()
        skipped = f", {len(images.skipped)} items skipped" if images.skipped else ""
        print(
            f"{images.resolution} px: {len(images)} images of {patients} patients{skipped} in {images.home}"
        )


@app.command()
def info(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Where the contact sheet goes; default DATASET-RES.png.")
    ] = None,
) -> None:
    """Count what is there, and lay some prepared images out in a picture for a person to look at."""
    from ..data.pictures import mosaic, save_png

    sets = list(_prepared(dataset, res, (source, target), data_root, cache, assignments, workers, skip_bad))
    for images in sets:
        _describe(images, registry().load("datasets", dataset))
        picture = sheet or Path(f"{dataset}.png")
        if sheet is None or len(sets) > 1:
            picture = picture.with_stem(f"{picture.stem}-{images.resolution}")
        save_png(picture, mosaic(images.limit(48, seed=0).images, 8))
        print(f"contact sheet: {picture}")


@app.command()
def verify(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
) -> None:
    """Prepare once more from the raw files, and compare with what the cache holds."""
    import tempfile

    sets = list(_prepared(dataset, res, (source, target), data_root, cache, assignments, workers, skip_bad))
    for kept in sets:
        kept.verify()
    with tempfile.TemporaryDirectory() as folder:
        again = _prepared(
            dataset, res, (source, target), data_root, Path(folder), assignments, workers, skip_bad
        )
        for kept, fresh in zip(sets, again, strict=True):
            if fresh.digests != kept.digests:
                raise BenchError(
                    f"{kept.home} is not what the raw files give today",
                    needed="the same images from the same files",
                    hint=f"rm -r '{kept.home}'; versions of Pillow or nibabel may differ",
                )
            print(f"{kept.resolution} px: {len(kept)} images as the raw files have them")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Which data set.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the raw files; default data/NAME.")] = None,
) -> None:
    """Download the raw files of a data set that anybody may download."""
    from ..data.fetch import fetch as download
    from .downloading import DownloadBar

    kind = registry().load("datasets", name)
    root = out or Path("data") / name
    download(kind, name, root, progress=DownloadBar())
    print(f"{name} is in {root}; its terms: {kind.licence}\ncite: {kind.citation}")
    print(f"next: bench data info --dataset {name} --data-root {root}")


def _prepared(
    name: str,
    res: str,
    modalities: tuple[str | None, str | None],
    data_root: list[Path] | None,
    cache: Path | None,
    assignments: list[str] | None,
    workers: int | None,
    skip_bad: bool,
) -> Iterator[ImageSet]:
    from ..data.prepare import prepare as build

    try:
        sides = [int(side) for side in res.split(",")]
    except ValueError:
        sides = []
    if not sides or min(sides) < 1:
        raise SpecError(f"--res {res!r} names no sides", needed="such as --res 64 or --res 64,256")
    dataset = _dataset(name, modalities, data_root, assignments)
    with _reading() as progress:
        sets = build(
            dataset,
            name,
            sides,
            cache_folder(cache) / "images",
            workers=workers,
            skip_bad=skip_bad,
            progress=progress,
        )
    yield from sets.values()


@contextmanager
def _reading() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _dataset(
    name: str,
    modalities: tuple[str | None, str | None],
    data_root: list[Path] | None,
    assignments: list[str] | None,
) -> Dataset:
    """The data set as ``bench run`` would make it; its settings may bear the prefix ``dataset.`` here too."""
    from ..cell.spec import pair_of
    from ..running.datasets import make_dataset
    from ..running.settings import dataset_settings

    registry()
    settings = dataset_settings(settings_of(assignments))
    return make_dataset(name, settings, data_root_of(name, data_root), pair_of(*modalities))


def _describe(images: ImageSet, kind: type[Dataset]) -> None:
    table = images.table
    print(f"{images.name} at {images.resolution} px: {_count(table)}")
    if kind.published_count:
        print(f"published count: {kind.published_count}")
    for split, part in table.groupby("split"):
        print(f"  {split}: {_count(part)}")
    width, height = table["width"], table["height"]
    print(f"raw sizes: {width.min()} to {width.max()} pixels wide, {height.min()} to {height.max()} high")
    modes = table["mode"].value_counts()
    print("raw modes: " + ", ".join(f"{mode} {count}" for mode, count in modes.items()))
    for region, masks in images.regions.items():
        print(f"region {region}: in {int(masks.any(axis=(1, 2, 3)).sum())} images, {masks.mean():.1%} of all")
    print(f"skipped: {len(images.skipped)}")
    for entry in images.skipped:
        print(f"  {entry['item']}: {entry['reason']}")
    print(f"fingerprint: {images.fingerprint}\nprepared in: {images.home}")


def _count(table: pd.DataFrame) -> str:
    return f"{len(table)} images of {table['patient'].nunique()} patients"
