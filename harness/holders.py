"""Whether folders are held, asked by those who do not take them."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from . import claims
from .claims import HOLDER, is_alive, stamp_of, text_of
from .files import read_json


class _Seen(NamedTuple):
    stamp: tuple[int, int] | None
    since: float
    moved: bool


class Looker:
    """Tells whether folders are held, without taking them: a lease must be watched to be known as left.

    Args:
        locks: Whether to try the system's lock as well. It tells at once, and may turn away whoever wants the
            folder in that very moment: only who wants it too should.
    """

    def __init__(self, *, locks: bool = True) -> None:
        self.locks = locks
        self._seen: dict[Path, _Seen] = {}

    @property
    def is_sure(self) -> bool:
        """Whether every lease that was seen has moved since, or rested for long enough."""
        now = time.monotonic()
        return all(seen.moved or now - seen.since >= claims.LEASE_SECONDS for seen in self._seen.values())

    def is_held(self, folder: Path) -> bool:
        """Whether somebody may hold the folder; a lease that never moves is held for a while longer."""
        if self.locks and (by_lock := self._is_locked(folder)) is not None:
            return by_lock
        stamp = stamp_of(folder / ".lease")
        if stamp is None or (not self.locks and _is_left(folder)):
            self._seen.pop(folder, None)
            return False
        now, before = time.monotonic(), self._seen.get(folder)
        if before is None or before.stamp != stamp:
            self._seen[folder] = _Seen(stamp, now, before is not None)
        return now - self._seen[folder].since < claims.LEASE_SECONDS

    def _is_locked(self, folder: Path) -> bool | None:
        """What the system's lock says of a folder; None where it does not say all."""
        lock = folder / ".lock"
        try:
            if not lock.exists():
                return False
            with FileLock(lock).acquire(timeout=0):
                pass
        except Timeout:
            return True
        except OSError:
            return False  # whoever works there will meet the same trouble, and tell it
        is_of_here = f'"host": {json.dumps(socket.gethostname())}' in text_of(folder / HOLDER)
        return False if is_of_here else None


def _is_left(folder: Path) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    try:
        who = read_json(folder / HOLDER)
        return who["host"] == socket.gethostname() and not is_alive(int(who["pid"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
