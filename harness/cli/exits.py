"""The exit codes of every command: what a script may rely on."""

from __future__ import annotations

import signal
from typing import Final

from ..api.executor import BUSY
from ..errors import BenchError

DONE: Final = 0
UNFINISHED: Final = 1
REFUSED: Final = BenchError.exit_code


def stopped_by(number: int) -> int:
    """The exit code of a command that a signal asked to stop, as shells count."""
    return 128 + number


EXIT_CODES: Final = {
    DONE: "Done, now or before.",
    UNFINISHED: "The answer is no: a cell failed or diverged, a grid has cells left, a check found faults.",
    REFUSED: "Refused, for a reason that the user can put right; standard error says it, and what to type.",
    BUSY: "`bench cell`, which grids start: another process works on the cell.",
    stopped_by(1): "A terminal that hung up (SIGHUP) stopped it; what was done is saved.",
    stopped_by(signal.SIGINT): "Ctrl-C (SIGINT) stopped it; what was done is saved.",
    stopped_by(signal.SIGTERM): "SIGTERM stopped it; what was done is saved.",
}
"""Every exit code, and what it means. Any other one is a bug, or a signal that can't be caught."""
