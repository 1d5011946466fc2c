"""What a cell printed, for whoever watches it."""

from __future__ import annotations

from pathlib import Path

TOLD_BYTES = 1 << 16
"""As much of it is of interest."""


def tail_of(path: Path, start: int) -> str:
    """The end of a log, from ``start`` at most."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(start, end - TOLD_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""  # a log that somebody removed costs no more than its words


def last_words(log: str) -> str:
    """The last error that a cell told, or else its last line, as the end of a sentence."""
    lines = log.strip().splitlines()
    told = [line for line in lines if line.startswith("error:")] or lines
    return f": {told[-1].removeprefix('error:').strip()}" if told else ""
