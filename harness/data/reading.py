"""Read one item of a data set and resize its slices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import DataError, Dataset
from . import layers


class Item(NamedTuple):
    """What a reading process sends home: small arrays and rows, never a volume.

    ``layers`` holds (n, channels, side, side) by resolution and file.
    """

    name: str
    layers: dict[int, dict[str, NDArray[np.uint8]]]
    rows: list[tuple[Any, ...]]
    fault: DataError | None = None


def load(dataset: Dataset, sides: tuple[int, ...], item: str) -> Item:
    """Read one item and resize its slices as they come."""
    stacks: dict[int, dict[str, list[NDArray[np.uint8]]]] = {side: {} for side in sides}
    rows = []
    try:
        for piece in dataset.read(item):
            layers.check_slice(piece, dataset)
            square = layers.squared(piece, dataset)
            labels = layers.present(square, dataset.label_names)
            for file, picture in square.items():
                small = layers.resized(picture, sides, labels if file == layers.LABELS else ())
                for stack, one in zip(stacks.values(), small, strict=True):
                    stack.setdefault(file, []).append(one)
            told = piece.mode, piece.conversion, layers.named(labels, dataset.label_names)
            height, width = (piece.raw_shape or piece.pixels.shape)[:2]
            rows.append((piece.patient, piece.source, piece.index, piece.split, height, width, *told))
    except DataError as error:
        return Item(item, {}, [], error)
    except MemoryError:
        return Item(item, {}, [], DataError(f"{item} needs more memory than there is"))
    stacked = {
        side: {file: layers.stacked(pictures) for file, pictures in stack.items()}
        for side, stack in stacks.items()
    }
    return Item(item, stacked, rows)
