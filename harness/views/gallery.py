"""Images to show: samples of finished runs, and the real images that they were trained on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.prepare import prepare
from ..errors import BenchError, DataError
from ..grid.roots import root_of
from ..networks import load_model
from ..plugins import Registry
from ..resolve import make_dataset, model_class
from ..spec import RunSpec
from ..tables.entries import Row, chosen_setup, same_conditions
from ..tables.survey import Result, conditions
from ..tasks import Task, task_of


def shown_runs(
    results: Sequence[Result],
    registry: Registry,
    rows: Sequence[Row],
    dataset: str,
    resolution: int,
    asked: Collection[str] = (),
) -> dict[str, Result]:
    """A complete run for each row that has any, by its label, chosen as a table chooses.

    All are under the same conditions (those that ``asked`` for, where there are such); of the setup that
    stands for its model it is the lowest seed.
    """
    here = [
        result
        for result in results
        if result.record.status == "complete"
        and (result.spec.dataset.label, result.spec.resolution) == (dataset, resolution)
        and any(row.owns(result) for row in rows)
    ]
    alike = same_conditions(rows, here, asked, lambda result: conditions(result, None), lambda result: True)
    runs = {}
    for row in rows:
        if own := [result for result in alike if row.owns(result)]:
            runs[row.label] = min(chosen_setup(own, registry)[0], key=lambda result: result.spec.seed)
    return runs


def samples_of(
    runs: Mapping[str, Result],
    registry: Registry,
    device: torch.device,
    count: int,
    opened: Callable[[RunSpec], Task],
    *,
    first_seed: int = 0,
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """What the best networks of each run make, by its name, and what kept others from being shown.

    Args:
        runs: The runs, by what to call them.
        registry: The plugins.
        device: Where images are made.
        count: How many of each.
        opened: Gives the images of a cell, where its model needs them to make any.
        first_seed: Which ones.
    """
    shown, problems = {}, []
    for name, result in runs.items():
        try:
            model = load_model(result.folder, registry, device, "best")
            shown[name] = task_of(type(model)).draw(model, count, first_seed, partial(opened, result.spec))
        except BenchError as error:
            problems.append(f"{result.folder.path.name}: {error.found}")
    return shown, problems


class Opener:
    """Opens the images of cells as they were when these ran, each once.

    Args:
        registry: The plugins.
        roots: Folders of raw files by data set.
        cache: Cache folder.
    """

    def __init__(self, registry: Registry, roots: Mapping[str, Path], cache: Path) -> None:
        self.registry, self.roots, self.cache = registry, roots, cache
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
        part, side = spec.dataset, spec.resolution
        root = root_of(part.name, self.roots)
        dataset = make_dataset(self.registry, part.name, part.config, root, part.pair)
        if dataset.fingerprint() != part.fingerprint:
            raise DataError(
                f"the raw files of {part.name} are not those of {spec.folder_name}",
                needed="the same files",
                hint=f"--data-root {part.name}=DIR",
            )
        # Whoever ran the cell decided about damaged files, and its record names what was left out.
        whole = prepare(
            dataset, part.name, [side], self.cache / "images", raw=part.fingerprint, skip_bad=True
        )[side]
        return task_of(model_class(self.registry, spec.model.name))(spec, whole)
