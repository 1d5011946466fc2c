"""Images of one kind as they are stored, or some of them, none of which is read before somebody wants it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..api import DataError
from ..files import open_file
from ..shortage import pass_on_shortage

Reader = Callable[[NDArray[np.intp], NDArray[np.uint8]], None]
"""Reads the images of some rows into memory that is there."""


class Stack:
    """uint8 (N, C, H, W), read only.

    Args:
        stored: All images: a memory map of a file, or an array.
        rows: Which of them belong here, in their order; None for all.
    """

    def __init__(self, stored: NDArray[np.uint8], rows: NDArray[np.intp] | None = None) -> None:
        self.stored, self.rows = stored, rows

    def __len__(self) -> int:
        return len(self.stored if self.rows is None else self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return (len(self), *self.stored.shape[1:])

    @property
    def nbytes(self) -> int:
        """How much memory all of them take."""
        return math.prod(self.shape)

    def select(self, rows: NDArray[np.intp]) -> Stack:
        """The images of these rows."""
        return Stack(self.stored, rows if self.rows is None else self.rows[rows])

    @cached_property
    def array(self) -> NDArray[np.uint8]:
        """All of them: the memory map itself, or a copy of those that were selected."""
        if self.rows is None:
            return self.stored
        chosen = self.stored[self.rows]
        chosen.flags.writeable = False
        return chosen

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Read images one by one from where they are stored, however many there are.

        Not through the memory map: what is read through it counts as this process's memory, and a file that
        is cut short meanwhile would end the process instead of raising an error.
        """
        stored = self.stored
        assert isinstance(stored, np.memmap), "only what lies in a file is read from there"
        path, start, size = Path(str(stored.filename)), stored.offset, math.prod(stored.shape[1:])

        def read(rows: NDArray[np.intp], into: NDArray[np.uint8]) -> None:
            for row, place in zip(rows if self.rows is None else self.rows[rows], into, strict=True):
                _read_at(file.fileno(), place.reshape(-1), start + int(row) * size)

        try:
            with open_file(path) as file:
                yield read
        except OSError as error:
            pass_on_shortage(error)
            raise DataError(
                f"{path} can't be read any more: {error.strerror or error}",
                needed="the prepared images, for as long as somebody trains on them",
                hint="the same command again",
            ) from error


def _read_at(file: int, into: NDArray[np.uint8], start: int) -> None:
    """Fill memory with what stands in a file from a place on."""
    done = 0
    while done < len(into):
        read = os.preadv(file, [into.data[done:]], start + done)
        if not read:
            raise OSError("it became shorter")
        done += read
