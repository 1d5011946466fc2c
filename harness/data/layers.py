"""What a prepared set keeps of each slice: its pixels, and of a pair also the source's and the regions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import DataError, Dataset, Slice
from . import resize

PIXELS, SOURCE, REGIONS = "images.npy", "source.npy", "regions.npy"


class Layer(NamedTuple):
    """How one file of a prepared set is stored: (N, channels, side, side) of a numpy type."""

    channels: int
    dtype: str


def layers_of(dataset: Dataset) -> dict[str, Layer]:
    """The files that a data set is prepared into."""
    layers = {PIXELS: Layer(1, "|u1")}
    if dataset.pair is not None:
        layers[SOURCE] = Layer(1, "|u1")
        if dataset.regions:
            layers[REGIONS] = Layer(len(dataset.regions), "|b1")
    return layers


def check_slice(piece: Slice, dataset: Dataset) -> None:
    """Make sure that a slice is what its data set promised.

    Raises:
        DataError: No image, a counterpart that is missing or of another size, a region that is no mask.
    """
    where = f"{piece.source}, slice {piece.index}"
    _check_pixels(where, piece.pixels)
    if dataset.pair is None:
        return
    if piece.counterpart is None:
        raise DataError(f"{where} has no counterpart in {dataset.pair.source}", needed="both modalities")
    _check_pixels(f"{dataset.pair.source} of {where}", piece.counterpart)
    for what, pixels in {dataset.pair.source: piece.counterpart, **piece.regions}.items():
        if pixels.shape != piece.pixels.shape:
            raise DataError(
                f"{where}, is {_size(piece.pixels)} pixels in {dataset.pair.target}, "
                f"but its {what} {_size(pixels)}",
                needed="one size: pairs show the same places",
            )
    for name, mask in piece.regions.items():
        if name not in dataset.regions or mask.dtype != np.bool_:
            raise DataError(
                f"{where} has a region {name!r} of {mask.dtype}",
                needed=f"bool, called {' or '.join(dataset.regions) or '(no region is declared)'}",
            )


def _check_pixels(where: str, pixels: NDArray[np.float32]) -> None:
    if pixels.ndim != 2 or not pixels.size or not np.isfinite(pixels).all():
        raise DataError(
            f"{where}, of shape {pixels.shape}, can't be an image",
            needed="two dimensions, and neither NaN nor infinity",
        )


def _size(pixels: NDArray[Any]) -> str:
    return " x ".join(map(str, pixels.shape[::-1]))


def squared(piece: Slice, dataset: Dataset) -> dict[str, list[NDArray[Any]]]:
    """The pictures of each layer of a slice, made square alike; a region that is unknown is empty."""
    pictures: dict[str, list[NDArray[Any]]] = {PIXELS: [piece.pixels]}
    if dataset.pair is not None:
        nowhere = np.zeros(piece.pixels.shape, np.bool_)
        pictures[SOURCE] = [piece.counterpart] if piece.counterpart is not None else []
        pictures[REGIONS] = [piece.regions.get(name, nowhere) for name in dataset.regions]
    return {
        file: [resize.squared(picture, dataset.square) for picture in layer]
        for file, layer in pictures.items()
        if layer
    }


def resized(layers: dict[str, list[NDArray[Any]]], side: int) -> dict[str, NDArray[Any]]:
    """Each layer at a resolution: uint8 or bool (channels, side, side)."""
    return {
        file: np.stack([(resize.mask if file == REGIONS else resize.resized)(p, side) for p in layer])
        for file, layer in layers.items()
    }
