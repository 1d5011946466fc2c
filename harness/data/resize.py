"""One slice of any shape becomes one square image of a given side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..api import Square
from .pixels import to_uint8

PixelT = TypeVar("PixelT", np.float32, np.uint8)

#: Raise it whenever the same slice gives other stored pixels or labels.
VERSION = 1


def squared(pixels: NDArray[PixelT], square: Square) -> NDArray[PixelT]:
    """Bring (H, W) or (H, W, 3) to a square around the centre; ``"stretch"`` is left to resizing."""
    height, width = pixels.shape[:2]
    if height == width:
        return pixels
    if square == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return pixels[top : top + side, left : left + side]
    if square == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        around = [(top, side - height - top), (left, side - width - left), (0, 0)]
        return np.pad(pixels, around[: pixels.ndim])
    return pixels


def resized(pixels: NDArray[np.float32], sides: Sequence[int]) -> list[NDArray[np.uint8]]:
    """Resample (H, W) pixels in [0, 1] to uint8 (side, side), antialiased, rounded once at the end.

    A whole-number reduction is the mean over the area of each new pixel, which is exact. Anything else is
    Pillow's bicubic in float32, which widens its kernel when it reduces, as the resize of the clean-fid
    protocol does (Parmar et al. 2022, arXiv 2104.11222); its overshoot is clipped.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return [to_uint8(np.asarray(image.resize((side, side), _method(pixels.shape, side)))) for side in sides]


def _method(shape: tuple[int, ...], side: int) -> Image.Resampling:
    is_whole = shape[0] % side == 0 and shape[1] % side == 0
    return Image.Resampling.BOX if is_whole else Image.Resampling.BICUBIC


def labels(values: NDArray[np.uint8], present: Sequence[int], side: int) -> NDArray[np.uint8]:
    """Resample labels (H, W) to (side, side): a new pixel has the label that most of its area has.

    Of two that cover as much the higher one wins. Where the side grows, it is the nearest pixel's.

    Args:
        values: The labels.
        present: Which occur, lowest first.
        side: Side of the result.
    """
    lowest, *others = present
    if not others:
        return np.full((side, side), lowest, np.uint8)
    if max(values.shape) <= side:
        image = Image.fromarray(values)
        return np.asarray(image.resize((side, side), Image.Resampling.NEAREST))
    chosen = np.full((side, side), lowest, np.uint8)
    shares = {label: _share(values == label, side) for label in others}
    most = 255 - np.sum(list(shares.values()), axis=0, dtype=np.int16)
    for label, share in shares.items():
        wins = share >= most
        chosen[wins] = label
        most = np.maximum(share, most)
    return chosen


def _share(mask: NDArray[np.bool_], side: int) -> NDArray[np.uint8]:
    """The part of each new pixel that a mask covers, from 0 to 255."""
    image = Image.fromarray(mask.view(np.uint8) * np.uint8(255))
    height, width = mask.shape
    if height % side == 0 and width % side == 0:
        return np.asarray(image.reduce((width // side, height // side)))
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))
