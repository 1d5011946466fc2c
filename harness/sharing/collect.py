"""From a results folder to cells that travel, and back."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..cell.logs import LogError, finished_log
from ..cell.records import RecordError, RunFolder, Store
from ..data.pictures import mosaic
from ..errors import SpecError
from ..files import atomic_write, read_file
from ..grid.definition import Grid
from ..running.model import load_model
from ..tables.survey import Result
from ..tasks import Task, task_of
from .archive import SharedCell

SIDE = 6
"""Samples are shown in rows of so many."""


def of_grid(results: Iterable[Result], grid: Grid) -> list[Result]:
    """The results that a grid names: by model, data set, resolution and seed."""
    points = {(p.model, p.dataset, p.resolution, p.seed) for p in grid.points()}
    return [
        result
        for result in results
        if (result.spec.model.name, result.spec.dataset.name, result.spec.resolution, result.spec.seed)
        in points
    ]


def shared(results: Iterable[Result], *, with_samples: bool, tell: Callable[[str], None]) -> list[SharedCell]:
    """Finished cells as they travel; what a cell lacks is told, and the rest of it goes."""
    cells = []
    for result in results:
        log = None
        try:
            finished_log(result.folder, result.record)
            log = read_file(result.folder.log)
        except (LogError, OSError) as error:
            tell(f"{result.folder.path.name} goes without its log: {error}")
        samples = _samples(result) if with_samples else None
        cells.append(SharedCell(result.folder.path.name, result.record, log, samples))
    return cells


def _samples(result: Result) -> bytes:
    """A picture of samples alone: no image of a data set is in it.

    Raises:
        SpecError: The model translates images of patients.
        CheckpointError: The networks are not here.
    """
    model: Any = load_model(result.folder, torch.device("cpu"), "best")
    task = task_of(type(model), labels=result.spec.protocol.labels)
    pixels = mosaic(task.draw(model, SIDE * SIDE, 0, _no_images).pictures, SIDE)
    picture = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
        picture, format="PNG"
    )
    return picture.getvalue()


def _no_images() -> Task:
    raise SpecError("a translation shows a patient", needed="a model that makes images from noise")


def take_in(cells: Iterable[SharedCell], store: Store, tell: Callable[[str], None]) -> list[Path]:
    """Write cells into a results folder; what is there already stays as it is, and is told.

    Returns:
        The new run folders.
    """
    new = []
    for cell in cells:
        folder = RunFolder(store.runs / cell.name)
        try:
            there = folder.read_record()
        except RecordError as error:
            tell(f"{cell.name} is left out: {error.found}")
            continue
        if folder.path.exists():
            same = there is not None and there.identity == cell.record.identity
            tell(
                f"{cell.name} is here already"
                if same
                else f"{cell.name} is left out: {folder.path} is another's"
            )
            continue
        folder.path.mkdir(parents=True)
        folder.write_spec(cell.record.spec)
        if cell.log is not None and hashlib.sha256(cell.log).hexdigest() == cell.record.log:
            with atomic_write(folder.log, new_folder=False) as file:
                file.write(cell.log)
        folder.write_record(cell.record)
        new.append(folder.path)
    return new
