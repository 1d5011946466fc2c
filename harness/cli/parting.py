"""What is to become of a grid's cells when somebody asks the grid itself to end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from .stopping import StopSignal

QUESTION = (
    "the cells are in a queue of their own: leave them there (l), end them, saved (e), or watch on (w)? "
)


class Parting:
    """Answers the loop over cells whether to stop them, or to leave them where they are.

    Cells that end with the grid are stopped. Those that outlive it are left, unless somebody at a terminal
    says otherwise.

    Args:
        stop: Counts requests to end.
        aside: Takes what is shown out of the way while somebody is asked.
        outlives: Whether cells go on without the grid.
        detach: Leave at once.
    """

    def __init__(
        self,
        stop: StopSignal,
        aside: Callable[[], AbstractContextManager[None]],
        *,
        outlives: bool,
        detach: bool,
    ) -> None:
        self.stop, self.aside, self.outlives = stop, aside, outlives
        self.leaving = detach
        self.stopping = False
        self.heard = 0

    def stops(self) -> int:
        """How many times cells were asked to end: once, they save their state; twice, they are killed."""
        if not self.outlives:
            return self.stop.count
        if self.stop.count > self.heard and not self.stopping:
            self.heard = self.stop.count
            self._decide()
        return 1 + (self.stop.count > self.heard) if self.stopping else 0

    def leaves(self) -> bool:
        """Whether to go, and leave the cells."""
        return self.leaving

    def _decide(self) -> None:
        if self.stop.number != signal.SIGINT or not (sys.stdin.isatty() and sys.stderr.isatty()):
            self.leaving = True
            return
        with self.aside():
            print(f"\n{QUESTION}", end="", file=sys.stderr, flush=True)
            answer = sys.stdin.readline().strip().lower()[:1]
        self.stopping = answer == "e"
        self.leaving = answer in ("l", "")
        if answer == "w":
            self.heard = self.stop.count = 0
