"""The loop that takes a grid's cells to their end, through crashes, other grids, and Ctrl-C.

What came out of a cell is read from its folder alone; an executor only says that a process is over. So a
cell that somebody else finished counts like our own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..api.executor import BUSY, USER_ERROR, Ended, Executor, Job, SubmittedJob
from ..cell.records import RecordError, RunFolder, missing_metrics
from ..claims import holder_of
from ..holders import Looker

if TYPE_CHECKING:
    from pathlib import Path

    from ..api.settings import PluginConfig
    from .planned import PlannedCell

TICK_SECONDS = 0.05
ELSEWHERE_SECONDS = 2.0
"""Between two looks at a cell that another process works on."""
LATE_SECONDS = 75.0
"""A network file system may show a file a minute after another machine wrote it."""
IDLE = 9
"""Of a round over all cells, so many times its length is slept: ten thousand cells cost a tenth of a core."""
REST_SECONDS = 5.0
"""As long as that is slept at most: a queue that answers slowly is no reason to see its answer late."""

State = Literal["waiting", "queued", "running", "elsewhere", "done", "diverged", "failed", "stopped"]
Mark = tuple[int, int, int] | None


@dataclass
class Watched:
    """A cell on its way through the grid.

    Attributes:
        config: What it needs, of the executor's own config; None for what the executor was made with.
        attempts: How often it was started here, and got no further.
        message: What there is to say about its state.
        since: When it came into its state, on the monotonic clock.
        task: It, on its way; None while it isn't.
        mark: Its checkpoint when it was started.
        late: When its process was over without a record, on the monotonic clock; None where it was not.
    """

    cell: PlannedCell
    config: PluginConfig | None = None
    state: State = "waiting"
    attempts: int = 0
    message: str = ""
    since: float = 0.0
    task: SubmittedJob | None = None
    mark: Mark = None
    late: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be done for it."""
        return self.state in ("done", "diverged", "failed", "stopped")

    @property
    def is_done(self) -> bool:
        """Whether it has a result."""
        return self.state in ("done", "diverged")

    @property
    def job(self) -> Job:
        """It, as an executor is given it."""
        cell = self.cell
        return Job(cell.name, cell.arguments, self.config, cell.folder, cell.longest)


def work(
    cells: Sequence[Watched],
    executor: Executor,
    *,
    stop: Callable[[], int],
    changed: Callable[[Watched], None],
    tick: Callable[[], None],
    leave: Callable[[], bool] = lambda: False,
    check: Callable[[], None] = lambda: None,
    attempts: int = 2,
) -> None:
    """Bring every cell to its end. ``cells`` are changed in place.

    Args:
        cells: In the order in which to start them.
        executor: What computes them.
        stop: How many times the user asked to stop: once, cells save their state; twice, they are killed.
        changed: Told about every change of state.
        tick: Called between two looks.
        leave: Whether to go, and leave the cells on their way to an executor that outlives this process.
        check: Called once, before the first cell is started: raises where that is no use.
        attempts: How often a cell is started before it is given up. One that got further, or had to make room
            for another job, made no attempt.

    Raises:
        BenchError: A cell can't be started. Those that run have saved their state and are over by then, as
            after any other exception, unless the executor outlives this process.
    """
    _Loop(cells, executor, changed, check, attempts).run(stop, tick, leave)


class _Loop:
    def __init__(
        self,
        cells: Sequence[Watched],
        executor: Executor,
        changed: Callable[[Watched], None],
        check: Callable[[], None],
        attempts: int,
    ) -> None:
        self.cells, self.executor, self.changed, self.attempts = cells, executor, changed, attempts
        self.check = check
        self.is_checked = False
        self.looker = Looker()

    def run(self, stop: Callable[[], int], tick: Callable[[], None], leave: Callable[[], bool]) -> None:
        asked = 0
        for watched in self.cells:
            if result := finished(watched.cell):
                self._become(watched, result)
        try:
            self._attach()
            while not all(watched.is_over for watched in self.cells):
                began = time.monotonic()
                self._collect(stopping=asked > 0)
                if stop() > asked:
                    asked = stop()
                    self._ask_to_stop(now=asked > 1)
                if not asked:
                    self._look_elsewhere()
                    self._fill()
                    if leave():
                        return
                tick()
                time.sleep(max(TICK_SECONDS, rest_after(began)))
        except BaseException:
            if self.executor.outlives:
                raise  # what is on its way is nobody's loss: the same command finds it
            # Cells are sessions of their own: nobody else would end them, or know of them.
            self._ask_to_stop(now=stop() > 1)
            while any(watched.task for watched in self.cells):
                self._collect(stopping=True)
                if stop() > max(asked, 1):
                    asked = stop()
                    self._ask_to_stop(now=True)
                time.sleep(TICK_SECONDS)
            raise

    def _become(self, watched: Watched, state: State, message: str = "") -> None:
        watched.state, watched.message, watched.since = state, message, time.monotonic()
        self.changed(watched)

    def _attach(self) -> None:
        """Find the cells that are on their way already."""
        waiting = {watched.cell.name: watched for watched in self.cells if not watched.is_over}
        for name, task in self.executor.attach(waiting.keys()).items():
            waiting[name].mark = mark_of(waiting[name].cell.folder)
            self._started(waiting[name], task)

    def _started(self, watched: Watched, task: SubmittedJob) -> None:
        watched.attempts += 1
        watched.task, watched.late = task, None
        self._become(watched, task.state.phase, task.state.node or "")

    def _collect(self, *, stopping: bool) -> None:
        """Follow the cells on their way, and judge those whose processes are over."""
        for watched in self.cells:
            if watched.task is None:
                continue
            ended = watched.task.poll()
            if ended is None:
                state = watched.task.state
                if (state.phase, state.node or "") != (watched.state, watched.message):
                    self._become(watched, state.phase, state.node or "")
            elif not self._may_come_late(watched, ended, stopping):
                watched.task = None
                self._become(watched, *self._judge(watched, ended, stopping))

    def _may_come_late(self, watched: Watched, ended: Ended, stopping: bool) -> bool:
        """Whether a cell ended well, and its record may still be on its way here."""
        if ended.code != 0 or stopping or finished(watched.cell):
            return False
        now = time.monotonic()
        watched.late = watched.late or now
        mark_of(watched.cell.folder)  # opening a folder is what makes a network file system look again
        return now - watched.late < LATE_SECONDS

    def _judge(self, watched: Watched, ended: Ended, stopping: bool) -> tuple[State, str]:
        """The state of a cell whose process is over."""
        if result := finished(watched.cell):
            return result, ""
        if stopping:
            return "stopped", ""
        if ended.code == BUSY:
            # Somebody was faster between our look and our start: that was no attempt.
            watched.attempts -= 1
            return "elsewhere", holder_of(watched.cell.folder)
        if ended.reason == "cancelled":
            return "stopped", ended.message
        if ended.reason == "preempted" or mark_of(watched.cell.folder) != watched.mark:
            watched.attempts -= 1
        if ended.code == USER_ERROR or watched.attempts >= self.attempts:
            return "failed", ended.message
        return "waiting", f"{ended.message}; once more from its checkpoint"

    def _ask_to_stop(self, *, now: bool) -> None:
        """Have what runs save its state and end, or end without; what does not run is not started."""
        self.executor.stop([watched.task for watched in self.cells if watched.task], now=now)
        for watched in self.cells:
            if not watched.task and not watched.is_over:
                self._become(watched, "stopped")

    def _fill(self) -> None:
        """Submit waiting cells while there are free slots."""
        free = None
        if self.executor.slots is not None:
            free = self.executor.slots - sum(watched.task is not None for watched in self.cells)
        ready: list[Watched] = []
        for watched in self.cells:
            if free is not None and len(ready) >= free:
                break
            if watched.state != "waiting":
                continue
            # Another grid may have come first since the plan was made; a look is cheaper than a process.
            if result := finished(watched.cell):
                self._become(watched, result, "by another process")
            elif self.looker.is_held(watched.cell.folder):
                self._become(watched, "elsewhere", holder_of(watched.cell.folder))
            else:
                watched.mark = mark_of(watched.cell.folder)
                ready.append(watched)
        if ready:
            if not self.is_checked:
                self.check()
                self.is_checked = True
            tasks = self.executor.submit([watched.job for watched in ready])
            for watched, task in zip(ready, tasks, strict=True):
                self._started(watched, task)

    def _look_elsewhere(self) -> None:
        """Look again at the cells that another process works on, now and then."""
        for watched in self.cells:
            if watched.state != "elsewhere" or time.monotonic() - watched.since <= ELSEWHERE_SECONDS:
                continue
            if result := finished(watched.cell):
                self._become(watched, result, "by another process")
            elif self.looker.is_held(watched.cell.folder):
                watched.since = time.monotonic()
            else:
                # Whoever held it is gone, and left it undone.
                self._become(watched, "waiting")


def rest_after(began: float) -> float:
    """Seconds to rest after a round over all cells that began then, on the monotonic clock."""
    return min(REST_SECONDS, IDLE * (time.monotonic() - began))


def mark_of(folder: Path) -> Mark:
    """What tells a cell's checkpoint from any other: it is only written when the training got further."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == RunFolder(folder).checkpoint.name:
                    status = entry.stat()
                    return status.st_ino, status.st_mtime_ns, status.st_size
    except OSError:
        pass
    return None


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
