"""What a build of a set has done, item by item, so that the next one goes on where it was cut.

Nothing that was left is gone on with where it lies: whoever wrote it may only be frozen. It is copied, as far
as each item is what its line says.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..api import DataError
from .reading import Item

NAME = "items.jsonl"


class Journal:
    """A file of lines beside the layers of one resolution: what they are of, and one line for each item.

    Args:
        folder: Where the layers are.
        about: What has to be the same for whoever goes on.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._file = (folder / NAME).open("w", encoding="utf-8")
        self._write(about)

    def append(self, item: Item, side: int) -> None:
        """Note an item whose images of this side have been written."""
        layers = {
            file: [*stack.shape[:2], _digest(stack)] for file, stack in item.layers.get(side, {}).items()
        }
        fault = None if item.fault is None else item.fault.found
        self._write({"item": item.name, "layers": layers, "rows": item.rows, "fault": fault})

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        # numpy's whole numbers are numbers too.
        self._file.write(json.dumps(line, default=int) + "\n")
        self._file.flush()


def recovered(
    left: Mapping[int, Collection[Path]], about: Callable[[int], Mapping[str, Any]], items: Sequence[str]
) -> Iterator[Item]:
    """The first items, as builds that were cut left them: as many as are whole at every resolution.

    Args:
        left: For each side, the folders of such builds.
        about: What they must be about, by side.
        items: All items, in order.
    """
    with ExitStack() as files:
        sides = {
            side: _items(_longest(folders), about(side), side, files)
            for side, folders in left.items()
            if folders
        }
        if len(sides) < len(left):
            return
        for name, *found in zip(items, *sides.values(), strict=False):
            layers = {side: one.layers[side] for side, one in zip(sides, found, strict=True) if one.layers}
            first, *others = found
            if first.name != name or any((one.name, one.rows) != (name, first.rows) for one in others):
                return
            yield first._replace(layers=layers)


def _longest(folders: Collection[Path]) -> Path:
    """The one that got furthest."""
    return max(folders, key=lambda folder: _size(folder / NAME))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _items(folder: Path, about: Mapping[str, Any], side: int, files: ExitStack) -> Iterator[Item]:
    """The items of one resolution, up to the first that is not whole."""
    try:
        lines = files.enter_context((folder / NAME).open(encoding="utf-8"))
        if json.loads(next(lines)) != json.loads(json.dumps(about)):
            return
        layers: dict[str, _Layer] = {}
        for line in lines:
            entry = json.loads(line)
            stacks = {}
            for file, (count, channels, digest) in entry["layers"].items():
                if file not in layers:
                    layers[file] = _Layer(files.enter_context((folder / file).open("rb")), side)
                stacks[file] = layers[file].read(count, channels)
                if _digest(stacks[file]) != digest:
                    return
            fault = None if entry["fault"] is None else DataError(entry["fault"])
            rows = [tuple(row) for row in entry["rows"]]
            yield Item(entry["item"], {side: stacks} if stacks else {}, rows, fault)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return  # cut off, or damaged: what comes before is whole


class _Layer:
    """A layer that was not finished, read from its beginning."""

    def __init__(self, file: Any, side: int) -> None:
        self.file, self.side = file, side
        np.lib.format.read_magic(file)
        (_, self.channels, *_), _, _ = np.lib.format.read_array_header_1_0(file)

    def read(self, count: int, channels: int) -> NDArray[np.uint8]:
        """The next images, in as many channels as they had before others widened them."""
        shape = (count, self.channels, self.side, self.side)
        content = self.file.read(count * self.channels * self.side**2)
        return np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(shape)[:, :channels])


def _digest(stack: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(stack).data)
