"""The status of a grid in plain values: where its cells are, how far, and when all may be done."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..cell.logs import last_losses
from ..cell.records import RunFolder
from ..running.sessions import sessions_of
from .schedule import State, Watched

STATUS_FORMAT: Final = 1


class CellStatus(BaseModel):
    """One cell."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="name of its folder")
    label: str = Field(description="the cell as people call it")
    model: str
    dataset: str
    resolution: int
    seed: int
    state: State
    message: str = Field(description="of a cell that runs, where; of one that failed, its last words")
    epoch: int | None = Field(description="the epoch that it is in, from 1; null where it is in none")
    epochs: int | None = Field(description="length of its training; null where nobody knows it yet")
    losses: dict[str, float] = Field(description="the last ones that were logged, of a cell that runs")
    seconds_left: float | None = Field(description="estimate; null where nothing like it was timed")


class GridStatus(BaseModel):
    """All cells of a grid, or of a results folder."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = STATUS_FORMAT
    command: Literal["status"] = "status"
    name: str | None = Field(description="the grid; null for all that is in a results folder")
    results: str
    looked: datetime.datetime
    counts: dict[State, int]
    seconds_left: float | None = Field(description="until all cells are done; null where nobody knows")
    ends: datetime.datetime | None = Field(description="when that will be")
    unknown_length: int = Field(description="cells that no estimate is of")
    troubles: list[str] = Field(description="what could not be asked")
    cells: list[CellStatus]


def status_of(
    name: str | None, results: Path, cells: Sequence[Watched], slots: int | None, troubles: Sequence[str] = ()
) -> GridStatus:
    """The status of cells whose states are known.

    Args:
        name: The grid's name.
        results: Results folder.
        cells: Its cells.
        slots: How many run at a time; None for as many as do just now.
        troubles: What could not be asked.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    ones = [cell_status(watched) for watched in cells]
    left, unknown = time_left(ones, slots)
    return GridStatus(
        name=name,
        results=str(results.absolute()),
        looked=now,
        counts=dict(Counter(one.state for one in ones)),
        seconds_left=left,
        ends=None if left is None else now + datetime.timedelta(seconds=round(left)),
        unknown_length=unknown,
        troubles=list(troubles),
        cells=ones,
    )


def cell_status(watched: Watched) -> CellStatus:
    """How far a cell is."""
    cell = watched.cell
    is_running = watched.state in ("running", "elsewhere")
    last = last_losses(RunFolder(cell.folder).log) if is_running else None
    epoch = None if last is None else int(last["epoch"]) + 1
    return CellStatus(
        name=cell.name,
        label=cell.label,
        model=cell.model,
        dataset=cell.dataset,
        resolution=cell.resolution,
        seed=cell.seed,
        state=watched.state,
        message=watched.message,
        epoch=epoch if epoch is None or cell.epochs is None else min(epoch, cell.epochs),
        epochs=cell.epochs,
        losses={} if last is None else last["losses"],
        seconds_left=_cell_left(watched, epoch),
    )


def time_left(cells: Sequence[CellStatus], slots: int | None) -> tuple[float | None, int]:
    """Seconds until all cells are done, and of how many nobody knows how long they take.

    Args:
        cells: They.
        slots: How many run at a time; None for as many as do just now.
    """
    undone = [one for one in cells if one.state not in ("done", "diverged", "failed", "stopped")]
    known = [one.seconds_left for one in undone if one.seconds_left is not None]
    slots = sum(one.state in ("running", "elsewhere") for one in cells) if slots is None else slots
    if not known or not slots:
        return (None if undone else 0.0), len(undone) - len(known)
    # No more cells run at a time than there are, and none is over before the longest.
    return max(math.fsum(known) / min(slots, len(undone)), *known, 0.0), len(undone) - len(known)


def _cell_left(watched: Watched, epoch: int | None) -> float | None:
    """Seconds that are left for a cell: by others like it, or by its own pace so far."""
    cell = watched.cell
    if watched.is_over:
        return 0.0 if watched.state in ("done", "diverged") else cell.seconds
    if epoch is None or cell.epochs is None:
        return cell.seconds
    to_come = max(0, cell.epochs - epoch + 1)
    if cell.pace is not None:
        return cell.pace * to_come
    if epoch == 1 or len(sessions_of(cell.folder)) != 1:
        return None
    folder = RunFolder(cell.folder)
    try:  # both by the clock of the file system, so that no two clocks need to agree
        spent = folder.log.stat().st_mtime - folder.spec.stat().st_mtime
    except OSError:
        return None
    return max(0.0, spent / (epoch - 1) * to_come)
