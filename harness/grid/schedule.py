"""The loop that takes a grid's cells to their end, through crashes, other grids, and Ctrl-C.

What came out of a cell is read from its folder alone; an executor only says that a process is over. So a
cell that somebody else finished counts like our own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from ..api.executor import BUSY, USER_ERROR, Executor, Job, SubmittedJob
from ..cell.holder import holder_of
from ..cell.records import RecordError, RunFolder, missing_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from .planned import PlannedCell

TICK_SECONDS = 0.05
ELSEWHERE_SECONDS = 2.0
"""Between two looks at a cell that another process works on."""

State = Literal["waiting", "running", "elsewhere", "done", "diverged", "failed", "stopped"]


@dataclass
class Watched:
    """A cell on its way through the grid.

    Attributes:
        attempts: How often it was started here.
        message: What there is to say about its state.
        since: When it came into its state, on the monotonic clock.
    """

    cell: PlannedCell
    state: State = "waiting"
    attempts: int = 0
    message: str = ""
    since: float = 0.0
    task: SubmittedJob | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done for it."""
        return self.state in ("done", "diverged", "failed", "stopped")


def work(
    cells: Sequence[Watched],
    executor: Executor,
    *,
    stop: Callable[[], int],
    changed: Callable[[Watched], None],
    tick: Callable[[], None],
    attempts: int = 2,
) -> None:
    """Bring every cell to its end. ``cells`` are changed in place.

    Args:
        cells: In the order in which to start them.
        executor: What computes them.
        stop: How many times the user asked to stop: once, cells save their state; twice, they are killed.
        changed: Told about every change of state.
        tick: Called between two looks.
        attempts: How often a cell is started before it is given up.

    Raises:
        BenchError: A cell can't be started. Those that run have saved their state and are over by then, as
            after any other exception.
    """
    asked = 0

    def become(watched: Watched, state: State, message: str = "") -> None:
        watched.state, watched.message, watched.since = state, message, time.monotonic()
        changed(watched)

    for watched in cells:
        if result := finished(watched.cell):
            become(watched, result)
    try:
        while not all(watched.is_over for watched in cells):
            _collect(cells, become, attempts, stopping=asked > 0)
            if stop() > asked:
                asked = stop()
                _ask_to_stop(cells, become, now=asked > 1)
            if not asked:
                for watched in cells:
                    if watched.state == "elsewhere" and time.monotonic() - watched.since > ELSEWHERE_SECONDS:
                        _look_again(watched, become)
                _fill(cells, executor, become)
            tick()
            time.sleep(TICK_SECONDS)
    except BaseException:
        # Cells are sessions of their own: nobody else would end them, or know of them.
        _ask_to_stop(cells, become, now=stop() > 1)
        while any(watched.task for watched in cells):
            _collect(cells, become, attempts, stopping=True)
            if stop() > max(asked, 1):
                asked = stop()
                _ask_to_stop(cells, become, now=True)
            time.sleep(TICK_SECONDS)
        raise


Become = Callable[..., None]


def _collect(cells: Sequence[Watched], become: Become, attempts: int, *, stopping: bool) -> None:
    """Judge the cells whose processes are over."""
    for watched in cells:
        if watched.task and (ended := watched.task.poll()):
            watched.task = None
            become(watched, *_judge(watched, ended.code, ended.message, attempts, stopping))


def _ask_to_stop(cells: Sequence[Watched], become: Become, *, now: bool) -> None:
    """Have what runs save its state and end, or end without; what does not run is not started."""
    for watched in cells:
        if watched.task:
            watched.task.stop(now=now)
    for watched in cells:
        if not watched.task and not watched.is_over:
            become(watched, "stopped")


def _fill(cells: Sequence[Watched], executor: Executor, become: Become) -> None:
    """Start waiting cells while there are free slots."""
    free = executor.slots - sum(watched.task is not None for watched in cells)
    for watched in cells:
        if free <= 0:
            return
        if watched.state != "waiting":
            continue
        # Another grid may have come first since the plan was made; a look is cheaper than a process.
        if result := finished(watched.cell):
            become(watched, result, "by another process")
        elif _is_held(watched.cell.folder):
            become(watched, "elsewhere", holder_of(watched.cell.folder))
        else:
            watched.attempts += 1
            watched.task = executor.start(Job(watched.cell.name, watched.cell.arguments))
            become(watched, "running")
            free -= 1


def _look_again(watched: Watched, become: Become) -> None:
    if result := finished(watched.cell):
        become(watched, result, "by another process")
    elif _is_held(watched.cell.folder):
        watched.since = time.monotonic()
    else:
        # Whoever held it is gone, and left it undone.
        become(watched, "waiting")


def _judge(watched: Watched, code: int, message: str, attempts: int, stopping: bool) -> tuple[State, str]:
    """The state of a cell whose process is over."""
    if result := finished(watched.cell):
        return result, ""
    if stopping:
        return "stopped", ""
    if code == BUSY:
        # Somebody was faster between our look and our start: that was no attempt.
        watched.attempts -= 1
        return "elsewhere", holder_of(watched.cell.folder)
    if code == USER_ERROR or watched.attempts >= attempts:
        return "failed", message
    return "waiting", f"{message}; once more from its checkpoint"


def finished(cell: PlannedCell) -> Literal["done", "diverged"] | None:
    """What a cell's record says, where nothing is left to do: it did not fail, and has every metric."""
    try:
        record = RunFolder(cell.folder).read_record()
    except RecordError:
        return None  # whoever computes the cell leaves it aside
    if record is None or not cell.name.endswith(record.identity[:8]):
        return None
    if record.status == "diverged":
        return "diverged"
    is_whole = record.status == "complete" and not missing_metrics(record.score_versions, cell.metrics)
    return "done" if is_whole else None


def _is_held(folder: Path) -> bool:
    lock = RunFolder(folder).lock
    try:
        if not lock.exists():
            return False
        with FileLock(lock).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # the cell itself will meet the same trouble, and tell it
