"""Images to show: samples of finished runs, and the real images that they were trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.images import ImageSet
from ..data.prepare import prepare
from ..errors import BenchError, DataError
from ..grid.roots import root_of
from ..plugins import Registry
from ..run import load_model
from ..sampling import sample_images
from ..spec import make_dataset
from ..tables.entries import chosen_setup
from ..tables.survey import Result


def shown_runs(
    results: Sequence[Result], registry: Registry, models: Sequence[str], dataset: str, resolution: int
) -> list[Result]:
    """One complete run of each model that has any: of its standing setup, the lowest seed."""
    runs = []
    for model in models:
        own = [
            result
            for result in results
            if result.record.status == "complete"
            and (result.spec.model.name, result.spec.dataset.name) == (model, dataset)
            and result.spec.resolution == resolution
        ]
        if own:
            runs.append(min(chosen_setup(own, registry)[0], key=lambda result: result.spec.seed))
    return runs


def samples_of(
    runs: Sequence[Result], registry: Registry, device: torch.device, count: int, *, first_seed: int = 0
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """Samples of the best networks of each run by its model's name, and what kept others from being shown."""
    shown, problems = {}, []
    for result in runs:
        try:
            model = load_model(result.folder, registry, device, "best")
            shown[result.spec.model.name] = sample_images(model, count, first_seed=first_seed)
        except BenchError as error:
            problems.append(f"{result.folder.path.name}: {error.found}")
    return shown, problems


def real_set(result: Result, registry: Registry, roots: Mapping[str, Path], cache: Path) -> ImageSet:
    """The real images that a run was trained on.

    Raises:
        SpecError: A data root is needed and none was named.
        DataError: The raw files are missing, or are not those of the run.
    """
    spec = result.spec
    root = root_of(spec.dataset.name, roots)
    dataset = make_dataset(registry, spec.dataset.name, spec.dataset.config, root)
    if dataset.fingerprint() != spec.dataset.fingerprint:
        raise DataError(
            f"the raw files of {spec.dataset.name} are not those of {result.folder.path.name}",
            needed="the same files",
            hint=f"--data-root {spec.dataset.name}=DIR",
        )
    side, raw = spec.resolution, spec.dataset.fingerprint
    whole = prepare(dataset, spec.dataset.name, [side], cache / "images", raw=raw)[side]
    train = whole.select(["train", "val"]) if spec.protocol.held_out else whole
    return train.limit(spec.protocol.limit, spec.seed) if spec.protocol.limit else train


def evenly(images: ImageSet, count: int) -> NDArray[np.uint8]:
    """Some images, evenly spaced: the first ones of a set are often of one patient."""
    chosen = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
    picked: NDArray[np.uint8] = np.asarray(images.images[chosen])
    return picked
