"""Boxes cut from one image and pasted into another (CutMix, Yun et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def box_masks(count: int, side: int, device: torch.device) -> Tensor:
    """Draw one mask for each image: 1 keeps the first image's pixel, 0 takes the second's.

    A box of side sqrt(1 - f) x ``side`` with f from Beta(1, 1), around a uniform centre, clipped to the
    image; its inside is 0 and its outside 1, or the other way round with probability 1/2.

    Returns:
        float32 (count, 1, side, side) of zeros and ones.

    Source: reference: boschresearch/unetgan.
    """
    area, centre_y, centre_x, inverted = torch.rand(4, count, 1, 1, device=device)  # Beta(1, 1) is uniform
    half = (1 - area).sqrt() * side / 2
    pixels = torch.arange(side, device=device) + 0.5
    inside_y = (pixels[:, None] - centre_y * side).abs() < half
    inside_x = (pixels[None, :] - centre_x * side).abs() < half
    first = ((inside_y & inside_x) ^ (inverted < 0.5)).logical_not()
    mask: Tensor = first.float().unsqueeze(1)
    return mask


def mix(mask: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """``mask`` of the first and the rest of the second; the mask broadcasts."""
    return mask * first + (1 - mask) * second


def shrink(mask: Tensor, side: int) -> Tensor:
    """Average a mask (n, 1, s, s) over the area of each cell of a ``side`` x ``side`` grid."""
    return F.adaptive_avg_pool2d(mask, side)
