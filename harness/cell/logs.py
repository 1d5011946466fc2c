"""The log of a cell, read back: losses and evaluations, one JSON object a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import BenchError
from ..files import read_file, sha256_of_file
from .records import Record, RunFolder

Line = dict[str, Any]
TAIL_BYTES = 4096
"""The last lines of a log are in here."""


class LogError(BenchError):
    """A log that is not what the cell wrote."""


def read_log(path: Path) -> list[Line]:
    """The whole lines of a log: those that a kill cut off, or damage made unreadable, are left out."""
    try:
        content = read_file(path)
    except OSError:
        return []
    lines = []
    for line in content.splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        counts = [entry.get("step"), entry.get("epoch")] if isinstance(entry, dict) else [None]
        if all(isinstance(count, int) for count in counts):
            lines.append(entry)
    return lines


def last_losses(log: Path) -> Line | None:
    """The last whole line of losses in a cell's log, which may be growing; only its end is read."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "losses" in entry:
            return entry
    return None


def log_digest(path: Path) -> str | None:
    """What a record knows a log by; None where there is none."""
    try:
        return sha256_of_file(path)
    except OSError:
        return None


def finished_log(folder: RunFolder, record: Record) -> list[Line]:
    """The log of a finished cell, as its record knows it.

    Raises:
        LogError: It is missing, or not what was written.
    """
    if record.log is not None and log_digest(folder.log) != record.log:
        raise LogError(
            f"{folder.log} is missing or damaged: it is not what was written",
            needed="the log that the record was made with",
        )
    return read_log(folder.log)
