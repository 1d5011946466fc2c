"""How much of anything is still an image, a count or a seed: beyond lies a mistake, or an attack.

Numbers from outside are held against these before memory is asked for.
"""

from __future__ import annotations

import os
import reprlib
import stat
from functools import cache
from typing import Final

from .errors import BenchError, SpecError

SIDE: Final = 8192
"""Longest side of a square image, in pixels."""
FILE_BYTES: Final = 1 << 32
"""Bytes of one file that is read as a whole, once it is unpacked."""
TEXT_BYTES: Final = 1 << 28
"""Bytes of one table or list."""
PIXELS: Final = 1 << 28
"""Pixels of one picture: as floats they are a gigabyte."""
IMAGES: Final = 10_000_000
"""Images of a set, and samples of one call."""
PLACES: Final = 4096
"""Cells at a time."""
MEMORY_SHARE: Final = 0.5
"""Part of a memory that images may take: whatever scores them holds them twice, and networks need some."""
SEEDS: Final = 1 << 32
"""Seeds are below this: what numpy, pandas and torch all take."""


def check_side(side: int) -> None:
    """Refuse a side that no image has.

    Raises:
        SpecError: It is not between 1 and ``SIDE``.
    """
    if not 1 <= side <= SIDE:
        raise SpecError(
            f"images of {reprlib.repr(side)} pixels a side", needed=f"1 to {SIDE}", hint="--res 64"
        )


def check_bytes(size: int, name: str, error: type[BenchError], *, most: int = FILE_BYTES) -> None:
    """Refuse what is larger than anything that is meant."""
    if size > most:
        raise error(
            f"{name} holds {size:,} bytes", needed=f"at most {most:,}", hint="divide it, or leave it out"
        )


def check_pixels(height: int, width: int, name: str, error: type[BenchError], *, hint: str = "") -> None:
    """Refuse a picture of more pixels than anything that is meant."""
    if height * width > PIXELS:
        raise error(
            f"{name} is {width:,} x {height:,} pixels", needed=f"at most {PIXELS:,} pixels", hint=hint
        )


def check_count(count: int, what: str, error: type[BenchError], *, most: int = IMAGES) -> None:
    """Refuse more of something than anybody means."""
    if count > most:
        raise error(f"{reprlib.repr(count)} {what}", needed=f"at most {most:,}")


def check_memory(size: int, name: str, error: type[BenchError]) -> None:
    """Refuse what would fill this machine's memory, before it is asked for."""
    most = memory_for_images()
    if size > most:
        raise error(
            f"{name} takes {size:,} bytes of memory",
            needed=f"at most {most:,} on this machine",
            hint="fewer or smaller images",
        )


def memory_for_images() -> int:
    """Bytes of this machine's memory that images may take."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # a system that doesn't tell
        memory = 1 << 40
    return int(MEMORY_SHARE * memory)


def check_regular(path: str | os.PathLike[str], error: type[BenchError]) -> None:
    """Refuse a pipe, a device or a folder where a file is to be read: the first would wait for ever.

    Raises:
        BenchError: It is not there, can't be looked at, or is no file.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as problem:
        raise error(f"{path} can't be read: {problem.strerror or problem}", needed="a file") from problem
    if not stat.S_ISREG(mode):
        raise error(f"{path} is no file", needed="a file: no folder, pipe or device")


def is_kernel_device(device: int) -> bool:
    """Whether what lies on a device, by its ``st_dev``, is what a Linux kernel tells of itself.

    Nobody keeps files there. They change from look to look, links lead round in circles, and to read some of
    them waits for ever.
    """
    return device in _kernel_devices()


@cache
def _kernel_devices() -> frozenset[int]:
    tops = ("/proc", "/sys", "/sys/fs/cgroup", "/sys/kernel/debug", "/sys/kernel/tracing")
    return frozenset(os.stat(top).st_dev for top in tops if os.path.ismount(top))
