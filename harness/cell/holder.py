"""Who works on a cell: named beside its lock, so that whoever waits knows for whom."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from ..files import read_json

HOLDER = ".holder.json"


def write_holder(folder: Path) -> None:
    """Say that this process holds the cell. It is a courtesy: where it can't be written, nothing is lost."""
    who = {"pid": os.getpid(), "host": socket.gethostname(), "started_by": os.getppid()}
    try:
        (folder / HOLDER).write_text(json.dumps(who), encoding="utf-8")
    except OSError:
        pass


def remove_holder(folder: Path) -> None:
    """Take the name away again."""
    try:
        (folder / HOLDER).unlink(missing_ok=True)
    except OSError:
        pass


def holder_of(folder: Path) -> str:
    """Who holds the cell, in words, as far as that is known; only asked while its lock is held."""
    try:
        who = read_json(folder / HOLDER)
        pid, host, starter = int(who["pid"]), str(who["host"]), int(who["started_by"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "another process"
    if host != socket.gethostname():
        return f"process {pid} on {host}"
    left = "" if _is_alive(starter) else ", which goes on although what started it is gone"
    return f"process {pid} of this machine{left}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
