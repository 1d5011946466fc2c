"""What a prepared set keeps of each slice: its pixels, of a pair also the source's, and what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..api import UNKNOWN_LABEL, DataError, Dataset, Slice
from ..limits import check_pixels
from . import resize

PIXELS, SOURCE, LABELS = "images.npy", "source.npy", "labels.npy"


def layers_of(dataset: Dataset) -> dict[str, int]:
    """The files that a data set is prepared into, with the channels that each begins with."""
    channels = 3 if dataset.colour == "rgb" else 1
    layers = {PIXELS: channels}
    if dataset.pair is not None:
        layers[SOURCE] = channels
    if dataset.label_names:
        layers[LABELS] = 1
    return layers


def check_slice(piece: Slice, dataset: Dataset) -> None:
    """Make sure that a slice is what its data set promised.

    Raises:
        DataError: No image, colours in a grey set, a counterpart that is missing or of another size, labels
            that are of another size or mean nothing.
    """
    where = f"{piece.source}, slice {piece.index}"
    _check_pixels(where, piece.pixels, dataset)
    if dataset.pair is not None:
        if piece.counterpart is None:
            raise DataError(f"{where} has no counterpart in {dataset.pair.source}", needed="both modalities")
        _check_pixels(f"{dataset.pair.source} of {where}", piece.counterpart, dataset)
        _check_size(where, piece, dataset.pair.source, piece.counterpart)
    if piece.labels is not None:
        _check_size(where, piece, "labels", piece.labels)
        _check_labels(where, piece.labels, dataset.label_names)


def _check_pixels(where: str, pixels: NDArray[np.float32], dataset: Dataset) -> None:
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not is_image or not pixels.size or not np.isfinite(pixels).all():
        raise DataError(
            f"{where}, of shape {pixels.shape}, can't be an image",
            needed="(H, W) or (H, W, 3), and neither NaN nor infinity",
        )
    if pixels.ndim == 3 and dataset.colour == "grey":
        raise DataError(f"{where} has colours, and its data set says that it is grey", needed="(H, W)")


def _check_size(where: str, piece: Slice, what: str, pixels: NDArray[Any]) -> None:
    if pixels.shape[:2] != piece.pixels.shape[:2]:
        raise DataError(
            f"{where}, is {_size(piece.pixels)} pixels, but its {what} {_size(pixels)}",
            needed="one size: they show the same places",
        )


def _check_labels(where: str, labels: NDArray[np.uint8], names: Sequence[str]) -> None:
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise DataError(f"{where} has labels of {labels.dtype} {labels.shape}", needed="uint8 (H, W)")
    strange = (labels > len(names)) & (labels < UNKNOWN_LABEL)
    if strange.any():
        raise DataError(
            f"{where} has the label {labels[strange][0]}",
            needed=f"0 to {len(names)}: {', '.join(names) or 'no label is declared'}",
        )


def _size(pixels: NDArray[Any]) -> str:
    return " x ".join(map(str, pixels.shape[1::-1]))


def squared(piece: Slice, dataset: Dataset) -> dict[str, NDArray[Any]]:
    """The picture of each layer of a slice, made square alike."""
    pictures: dict[str, NDArray[Any]] = {PIXELS: piece.pixels}
    if piece.counterpart is not None and dataset.pair is not None:
        pictures[SOURCE] = piece.counterpart
    if dataset.label_names:
        unknown = np.full(piece.pixels.shape[:2], UNKNOWN_LABEL, np.uint8)
        pictures[LABELS] = unknown if piece.labels is None else piece.labels
    if dataset.square == "pad":
        side = max(piece.pixels.shape[:2])
        where = f"{piece.source}, slice {piece.index}, of {_size(piece.pixels)} pixels, made square,"
        check_pixels(
            side, side, where, DataError, hint="--set dataset.square=crop, where there is that option"
        )
    return {file: resize.squared(picture, dataset.square) for file, picture in pictures.items()}


def present(square: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[int]:
    """The labels that occur in a square slice, lowest first; none in a set without labels."""
    if LABELS not in square:
        return []
    # A look for each of the few labels is several times as fast as one that counts all 256.
    return [label for label in (*range(len(names) + 1), UNKNOWN_LABEL) if (square[LABELS] == label).any()]


def named(labels: Sequence[int], names: Sequence[str]) -> str:
    """Names of labels between semicolons, ``unknown`` among them; 0 has none."""
    called = {**dict(enumerate(names, start=1)), UNKNOWN_LABEL: "unknown"}
    return ";".join(called[label] for label in labels if label)


def resized(picture: NDArray[Any], sides: Sequence[int], labels: Sequence[int]) -> list[NDArray[np.uint8]]:
    """A layer of a square slice at some resolutions, uint8 (channels, side, side); of labels, these occur."""
    if labels:
        return [resize.labels(picture, labels, side)[None] for side in sides]
    planes = [picture] if picture.ndim == 2 else [picture[:, :, channel] for channel in range(3)]
    channels = [resize.resized(plane, sides) for plane in planes]
    return [np.stack(of_side) for of_side in zip(*channels, strict=True)]


def stacked(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures (channels, side, side) as one stack, grey ones among coloured ones widened."""
    widest = max(len(picture) for picture in pictures)
    return np.stack([np.broadcast_to(picture, (widest, *picture.shape[1:])) for picture in pictures])
