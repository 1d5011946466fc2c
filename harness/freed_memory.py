"""Memory that this process lets go of stays with it, for what it takes next.

By default glibc gives large blocks back to the system, and the system hands them out anew page by page, each
filled with zeros first, which both a training step on a processor and the reading of small files wait for.
Elsewhere than on Linux with glibc nothing is changed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
#: What glibc goes by before anything is set, and the largest values to which it adapts by itself.
_MMAP_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = 65536, 32 << 20, 64 << 20


def keep_medium_blocks() -> None:
    """From now on, keep what glibc would keep at most: blocks of the size of a picture."""
    if libc := _glibc():
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Give nothing back inside; afterwards give back what is free.

    Kept blocks don't always fit what is taken next, so the process may hold more memory;
    ``benchmarks/training.py`` shows that beside a plain loop's.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, _MMAP_MAX)
        keep_medium_blocks()
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc: others have no such functions."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt") else None
