"""The sessions of a cell: where it was begun and gone on with, and why each time ended."""

from __future__ import annotations

import datetime
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..errors import BusyError, Interrupted
from ..files import read_file

FILE = "sessions.jsonl"
KILLED = "killed"
"""Why a session ended that could not say so."""
SAVED = "saved on request"
LOST = "lost to another process"


@contextmanager
def session(folder: Path, *, job: str | None, device: str) -> Iterator[None]:
    """Note that work on a cell begins, and how it ends.

    Args:
        folder: The cell's, which this process holds.
        job: The job that this process is of, as its queue calls it; None outside of a queue.
        device: What it computes on.
    """
    name = uuid4().hex[:8]
    began = {"host": socket.gethostname(), "job": job, "device": device, "began": _now()}
    _append(folder / FILE, {"session": name, **began})
    try:
        yield
    except Interrupted:
        ended = SAVED
        raise
    except BusyError:
        ended = LOST
        raise
    except BaseException as error:
        ended = f"{type(error).__name__}"
        raise
    else:
        ended = "finished"
    finally:
        _append(folder / FILE, {"session": name, "ended": ended})


def sessions_of(folder: Path) -> list[dict[str, Any]]:
    """All sessions of a cell in their order; the one that goes on has no ``ended`` yet."""
    known: dict[str, dict[str, Any]] = {}
    try:
        lines = read_file(folder / FILE).splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
            known.setdefault(entry.pop("session"), {}).update(entry)
        except (ValueError, LookupError, AttributeError, TypeError):
            continue  # cut off by a kill
    found = [one for one in known.values() if "began" in one]
    return [one if "ended" in one else {**one, "ended": KILLED} for one in found[:-1]] + found[-1:]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _append(path: Path, entry: dict[str, Any]) -> None:
    """Add a line. It tells of the work and is none: where it can't be written, nothing stops."""
    try:
        if path.exists() and not path.is_file():
            return  # a pipe would wait for somebody at its other end
        with path.open("ab") as file:
            file.write(json.dumps(entry).encode() + b"\n")
    except OSError:
        pass
