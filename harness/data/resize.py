"""One slice of any shape becomes one square image of a given side."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..api import Square
from .pixels import to_uint8

PixelT = TypeVar("PixelT", np.float32, np.bool_)

#: Raise it whenever the same slice gives other stored pixels.
VERSION = 1


def squared(pixels: NDArray[PixelT], square: Square) -> NDArray[PixelT]:
    """Bring (H, W) pixels or a mask to a square around the centre; ``"stretch"`` is left to resizing."""
    height, width = pixels.shape
    if square == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return pixels[top : top + side, left : left + side]
    if square == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        return np.pad(pixels, ((top, side - height - top), (left, side - width - left)))
    return pixels


def resized(pixels: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """Resample (H, W) pixels in [0, 1] to uint8 (side, side), antialiased, rounded once at the end.

    A whole-number reduction is the mean over the area of each new pixel, which is exact. Anything else is
    Pillow's bicubic in float32, which widens its kernel when it reduces, as the resize of the clean-fid
    protocol does (Parmar et al. 2022, arXiv 2104.11222); its overshoot is clipped.
    """
    height, width = pixels.shape
    is_whole = height % side == 0 and width % side == 0
    resample = Image.Resampling.BOX if is_whole else Image.Resampling.BICUBIC
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return to_uint8(np.asarray(image.resize((side, side), resample)))


def mask(region: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Resample a mask (H, W) to (side, side): a new pixel belongs to it if at least half of it does."""
    share: NDArray[np.bool_] = resized(region.astype(np.float32), side) >= 128
    return share
