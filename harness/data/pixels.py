"""The one conversion between stored pixels (uint8, 0 to 255) and computed ones (0 to 1, or -1 to 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # processes that read raw files do without torch
    from torch import Tensor


def to_uint8(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Raw pixels in [0, 1] to uint8: clipped, rounded to the nearest level."""
    levels = np.clip(unit, 0.0, 1.0)
    levels *= 255.0
    stored: NDArray[np.uint8] = np.rint(levels, out=levels).astype(np.uint8)
    return stored


def to_model_range(images: Tensor) -> Tensor:
    """uint8 of any shape to float32: 0 becomes -1, 255 becomes 1."""
    return images.float().div_(127.5).sub_(1.0)


def to_store_range(images: Tensor) -> Tensor:
    """Float of any shape to uint8: clamped to [-1, 1], rounded to the nearest level."""
    return images.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).byte()
