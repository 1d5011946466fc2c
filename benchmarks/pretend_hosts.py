"""Several machines on one: each with a name, file locks and a clock of its own, and one folder for all.

Locks of files are local to a machine on BeeGFS, on Lustre mounted with ``localflock``, on some NFS mounts and
on many file systems in user space.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path


def become(name: str, locks: Path, *, clock: float = 0.0) -> None:
    """Make this process one of the machine called ``name``.

    Args:
        name: The name.
        locks: Folder for what stands for the machines' own tables of locks.
        clock: Seconds by which the machine's clock is wrong.
    """
    real_flock, real_time = fcntl.flock, time.time
    held: dict[int, int] = {}

    def flock(file: int, operation: int) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        if operation & fcntl.LOCK_UN:
            if file in held:
                os.close(held.pop(file))
            return
        own = os.open(locks / f"{name}{path.replace('/', '+')}", os.O_CREAT | os.O_RDWR)
        try:
            real_flock(own, operation)
        except OSError:
            os.close(own)
            raise
        held[file] = own

    fcntl.flock = flock  # type: ignore[assignment]
    socket.gethostname = lambda: name
    time.time = lambda: real_time() + clock
