"""The exit codes of every command: what a script may rely on."""

from __future__ import annotations

import signal
from typing import Final

from ..api.executor import BUSY, PAUSED, STOPPED
from ..errors import BenchError

DONE: Final = 0
UNFINISHED: Final = 1
REFUSED: Final = BenchError.exit_code


def stopped_by(number: int) -> int:
    """The exit code of a command that a signal asked to stop, and that saved its state.

    As shells count, but for the signals of schedulers: what these kill unsaved looks as shells count.
    """
    return {signal.SIGUSR1: PAUSED, signal.SIGTERM: STOPPED}.get(signal.Signals(number), 128 + number)


EXIT_CODES: Final = {
    DONE: "Done, now or before.",
    UNFINISHED: "The answer is no: a cell failed or diverged, a grid has cells left, a check found faults.",
    REFUSED: "Refused, for a reason that the user can put right; standard error says it, and what to type.",
    BUSY: "`bench cell`, which grids start: another process works on the cell.",
    PAUSED: "SIGUSR1 stopped it, as its time there was up; what was done is saved, and it is to go on.",
    STOPPED: "SIGTERM stopped it; what was done is saved.",
    stopped_by(1): "A terminal that hung up (SIGHUP) stopped it; what was done is saved.",
    stopped_by(signal.SIGINT): "Ctrl-C (SIGINT) stopped it; what was done is saved.",
}
"""Every exit code, and what it means. Any other one is a bug, or a signal that can't be caught."""
