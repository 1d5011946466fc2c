"""Ctrl-C and SIGTERM: the first one asks, the second one insists."""

from __future__ import annotations

import signal
import sys
from types import FrameType


class StopSignal:
    """Turns Ctrl-C and SIGTERM into requests, until its ``with`` block ends.

    Args:
        words: What the user is told at the first one.
        raises: Whether the second one ends this process at once; otherwise it is counted too.

    Attributes:
        count: Requests so far.
        number: The signal that came first; 0 for none.
    """

    def __init__(
        self,
        words: str = "stopping at the next step; once more to stop at once",
        *,
        raises: bool = True,
    ) -> None:
        self.words = words
        self.raises = raises
        self.count = 0
        self.number = 0
        self._before = {n: signal.signal(n, self._request) for n in (signal.SIGINT, signal.SIGTERM)}

    def __enter__(self) -> StopSignal:
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether somebody asked to stop."""
        return self.count > 0

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1 and self.raises:
            raise KeyboardInterrupt
        self.number = self.number or number
        if self.count == 1:
            print(f"\n{self.words}", file=sys.stderr)
