"""A .npy file of images that grows while a set is being prepared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 24  # bytes that are widened at a time


class LayerFile:
    """uint8 (N, channels, side, side), written image by image; N is in the header at the end.

    Whether a set has colours may be known only when a coloured image comes: those before it, which were
    grey, are then written again in as many channels.

    Args:
        path: Where; whatever is there is overwritten.
        channels: How many channels it begins with.
        side: Side of an image.
    """

    def __init__(self, path: Path, channels: int, side: int) -> None:
        self.path, self.channels, self.side = path, channels, side
        self.count = 0
        self._file = _opened(path, channels, side)

    def append(self, images: NDArray[np.uint8]) -> None:
        """Write images (n, channels or 1 or more channels than so far, side, side)."""
        if images.shape[1] > self.channels:
            self._widen(images.shape[1])
        whole = (len(images), self.channels, self.side, self.side)
        self._file.write(np.broadcast_to(images, whole).tobytes())
        self.count += len(images)

    def flush(self) -> None:
        """Leave what was written to the system: it outlasts this process."""
        self._file.flush()

    def finish(self) -> None:
        """Complete the header, and make sure that everything is on the disk."""
        self._file.seek(0)
        _write_header(self._file, self.count, self.channels, self.side)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file, complete or not."""
        self._file.close()

    def _widen(self, channels: int) -> None:
        self._file.close()
        narrow = self.path.with_name(f"{self.path.name}.narrow")
        self.path.rename(narrow)
        self._file = _opened(self.path, channels, self.side)
        pixels = self.side * self.side
        with narrow.open("rb") as old:
            np.lib.format.read_magic(old)
            np.lib.format.read_array_header_1_0(old)
            while content := old.read(max(1, _AT_ONCE // pixels) * pixels):
                images = np.frombuffer(content, np.uint8).reshape(-1, 1, pixels)
                self._file.write(np.broadcast_to(images, (len(images), channels, pixels)).tobytes())
        narrow.unlink()
        self.channels = channels


def _opened(path: Path, channels: int, side: int) -> Any:
    file = path.open("wb")
    _write_header(file, 0, channels, side)
    return file


def _write_header(file: Any, count: int, channels: int, side: int) -> None:
    """A .npy header for ``count`` images; numpy leaves room in it for the first axis to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, channels, side, side)}
    np.lib.format.write_array_header_1_0(file, header)
