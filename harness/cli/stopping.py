"""Ctrl-C, SIGTERM, SIGUSR1 and a terminal that hangs up: the first one asks, the second one insists."""

from __future__ import annotations

import os
import signal
from types import FrameType


class StopSignal:
    """Turns Ctrl-C, SIGTERM, SIGUSR1 and SIGHUP into requests, until its ``with`` block ends.

    Args:
        words: What the user is told at the first one; nothing where it is empty.
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
        self._before = {number: signal.signal(number, self._request) for number in _asked_by()}

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
        if self.count == 1 and self.words:
            _say(f"\n{self.words}\n")


def _asked_by() -> list[signal.Signals]:
    """The signals that ask to stop here; who was started by nohup outlives its terminal."""
    names = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    return [one for one in known if one.name != "SIGHUP" or signal.getsignal(one) != signal.SIG_IGN]


def _say(words: str) -> None:
    """Write to standard error; where the terminal is gone, nothing is said any more."""
    try:
        os.write(2, words.encode())
    except OSError:
        silent = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silent, stream)
