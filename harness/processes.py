"""What processes that help this one do when it is stopped or gone."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

#: Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def obey_parent() -> None:
    """Leave a terminal's signals to whoever started this process, and die with it."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def keep_freed_memory() -> None:
    """Don't hand memory back to the system between one picture and the next, which takes it all again.

    Clearing new memory was a third of the time of reading small files. Does nothing without glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        allocator = ctypes.CDLL(None).mallopt
        allocator(_MMAP_THRESHOLD, 32 << 20)
        allocator(_TRIM_THRESHOLD, 64 << 20)


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
