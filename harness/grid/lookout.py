"""Cells seen from any machine, by their folders and by what queues say: nothing is started or held up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..api.executor import Executor, SubmittedJob
from ..cell.records import RecordError, RunFolder
from ..claims import holder_of
from ..errors import BenchError
from ..holders import Looker
from ..running.sessions import KILLED, LOST, SAVED, sessions_of
from .schedule import State, Watched, finished
from .told import last_words, tail_of

ASK_SECONDS = 10.0
"""Between two questions to a queue."""
_NO_FAILURES = (SAVED, LOST, KILLED)


class Lookout:
    """Follows cells that others compute.

    Args:
        cells: They; ``state`` and ``message`` are kept up to date.
        queues: Executors that may have them on their way.
        logs: The folder of what cells print.
        known: What could not be asked anyhow, one sentence each.

    Attributes:
        changed: Told about every change of state.
        troubles: What could not be asked, one sentence each.
    """

    def __init__(
        self,
        cells: Sequence[Watched],
        queues: Mapping[str, Executor],
        logs: Path,
        known: Sequence[str] = (),
    ) -> None:
        self.cells, self.queues, self.logs, self.known = cells, queues, logs, known
        self.changed: Callable[[Watched], None] = lambda watched: None
        self.troubles = list(known)
        self._looker = Looker(locks=False)
        self._asked = float("-inf")
        self._tasks: dict[str, SubmittedJob] = {}

    def look(self) -> None:
        """Look at all cells that are not done."""
        if time.monotonic() - self._asked > ASK_SECONDS:
            self._ask()
            self._asked = time.monotonic()
        for watched in self.cells:
            if watched.is_done:
                continue
            state, message = self._standing(watched)
            if (state, message) != (watched.state, watched.message):
                if state != watched.state:
                    watched.since = time.monotonic()
                watched.state, watched.message = state, message
                self.changed(watched)

    @property
    def is_sure(self) -> bool:
        """Whether everything that seems to run was seen to move."""
        return self._looker.is_sure

    def _ask(self) -> None:
        """Which cells are on their way in a queue."""
        self._tasks, self.troubles = {}, list(self.known)
        names = {watched.cell.name for watched in self.cells if not watched.is_done}
        for name, queue in self.queues.items():
            try:
                self._tasks.update(queue.attach(names))
            except BenchError as error:
                self.troubles.append(f"the queue of executor {name} can't be asked from here: {error.found}")

    def _standing(self, watched: Watched) -> tuple[State, str]:
        cell = watched.cell
        if result := finished(cell):
            return result, ""
        if task := self._tasks.get(cell.name):
            return task.state.phase, task.state.node or ""
        if self._looker.is_held(cell.folder):
            return "running", holder_of(cell.folder)
        return self._left(cell.folder, self.logs / f"{cell.name}.txt")

    def _left(self, folder: Path, log: Path) -> tuple[State, str]:
        """Where a cell stands that nobody works on, and that is not done."""
        try:
            record = RunFolder(folder).read_record()
        except RecordError as error:
            return "failed", error.found
        if record is not None:
            if record.status == "failed":
                return "failed", record.last_words
            return "waiting", "trained; some scores are missing"
        words = last_words(tail_of(log, 0))
        if not (sessions := sessions_of(folder)):
            # What was refused before it could begin has left its words alone.
            return ("failed", words.removeprefix(": ")) if words else ("waiting", "")
        ended = sessions[-1].get("ended", KILLED)
        return ("stopped", ended) if ended in _NO_FAILURES else ("failed", f"{ended}{words}")
