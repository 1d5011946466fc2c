"""The images of a cell: prepared from raw files, and opened again as they were."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from ..api import Dataset, Model
from ..cell.spec import RunSpec
from ..data.prepare import prepare
from ..data.roots import root_of
from ..errors import DataError, SpecError
from ..tasks import Task, task_of
from .datasets import make_dataset
from .resolve import model_class


def open_task(
    spec: RunSpec,
    model: type[Model],
    dataset: Dataset,
    cache: Path,
    *,
    skip_bad: bool,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] = warnings.warn,
) -> Task:
    """What the model of a cell is asked for, with the cell's images.

    Args:
        spec: The cell.
        model: Its model's class.
        dataset: Its data set, on the raw files that ``spec`` was resolved with.
        cache: Cache folder.
        skip_bad: Leave damaged raw files out.
        workers: Processes that read raw files; None for one per core.
        progress: Told (items done, items in all).
        tell: Told what the user should know and nothing stops for.

    Raises:
        DataError: Raw files are damaged, or one side of the split has nobody.
        SpecError: The images have colours, and the model's have one channel.
    """
    whole = prepare(
        dataset,
        spec.dataset.name,
        [spec.resolution],
        cache / "images",
        raw=spec.dataset.fingerprint,
        workers=workers,
        skip_bad=skip_bad,
        progress=progress,
        tell=tell,
    )[spec.resolution]
    if whole.channels > spec.protocol.channels:
        raise SpecError(
            f"the images of {spec.dataset.name} have colours, and the model's one channel",
            needed="three channels, or grey images",
            hint="--set channels=3; or --set dataset.colour=grey, where the data set has that option",
        )
    return task_of(model, labels=spec.protocol.labels)(spec, whole)


class CellImages:
    """Opens the images of finished cells as they were when these ran, each once.

    Args:
        roots: Folders of raw files by data set.
        cache: Cache folder.
        tell: Told what the user should know and nothing stops for.
    """

    def __init__(
        self, roots: Mapping[str, Path], cache: Path, tell: Callable[[str], None] = warnings.warn
    ) -> None:
        self.roots, self.cache, self.tell = roots, cache, tell
        self._opened: dict[str, Task] = {}

    def __call__(self, spec: RunSpec) -> Task:
        """What the model of a cell was asked for.

        Raises:
            SpecError: A data root is needed and none was named.
            DataError: The raw files are missing, or are not those of the run.
        """
        if spec.identity not in self._opened:
            self._opened[spec.identity] = self._open(spec)
        return self._opened[spec.identity]

    def _open(self, spec: RunSpec) -> Task:
        dataset = reopened(spec, self.roots)
        # Whoever ran the cell decided about damaged files, and its record names what was left out.
        kind = model_class(spec.model.name)
        return open_task(spec, kind, dataset, self.cache, skip_bad=True, tell=self.tell)


def reopened(spec: RunSpec, roots: Mapping[str, Path]) -> Dataset:
    """The data set of a finished cell, on the raw files that it had.

    Raises:
        SpecError: A data root is needed and none was named.
        DataError: The raw files are missing, or are not those of the run.
    """
    part = spec.dataset
    dataset = make_dataset(part.name, part.config, root_of(part.name, roots), part.pair)
    if dataset.fingerprint() != part.fingerprint:
        raise DataError(
            f"the raw files of {part.name} are not those of {spec.folder_name}",
            needed="the same files",
            hint=f"--data-root {part.name}=DIR",
        )
    return dataset
