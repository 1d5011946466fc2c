"""Images to show: samples of finished runs, and the real images that they were trained on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import torch

from ..cell.spec import RunSpec
from ..errors import BenchError
from ..running.model import load_model
from ..tables.asked import Row
from ..tables.entries import chosen_setup, same_conditions
from ..tables.survey import Result, conditions
from ..tasks import Outputs, Task, task_of


def shown_runs(
    results: Sequence[Result],
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
            runs[row.label] = min(chosen_setup(own)[0], key=lambda result: result.spec.seed)
    return runs


def samples_of(
    runs: Mapping[str, Result],
    device: torch.device,
    count: int,
    opened: Callable[[RunSpec], Task],
    *,
    first_seed: int = 0,
) -> tuple[dict[str, Outputs], list[str]]:
    """What the best networks of each run make, by its name, and what kept others from being shown.

    Args:
        runs: The runs, by what to call them.
        device: Where images are made.
        count: How many of each.
        opened: Gives the images of a cell, where its model needs them to make any.
        first_seed: Which ones.
    """
    shown: dict[str, Outputs] = {}
    problems = []
    for name, result in runs.items():
        try:
            model = load_model(result.folder, device, "best")
            task = task_of(type(model), labels=result.spec.protocol.labels)
            shown[name] = task.draw(model, count, first_seed, partial(opened, result.spec))
        except BenchError as error:
            problems.append(f"{result.folder.path.name}: {error.found}")
    return shown, problems
