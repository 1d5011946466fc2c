"""Twice and half the side through a low-pass filter, so that nothing aliases. Plain convolutions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BINOMIAL = (1.0, 3.0, 3.0, 1.0)


def lowpass(taps: tuple[float, ...] = BINOMIAL) -> Tensor:
    """The square kernel of a filter, with sum 1: (1, 1, k, k)."""
    line = torch.tensor(taps) / sum(taps)
    return torch.outer(line, line)[None, None]


def blurred(maps: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Each channel filtered, zeros around it: (n, C, h, w) to (n, C, h + 2 padding - k + 1, ...)."""
    channels = maps.shape[1]
    return F.conv2d(maps, _each(kernel, maps), padding=padding, groups=channels)


def doubled(maps: Tensor, kernel: Tensor) -> Tensor:
    """Each channel at twice the side: zeros between its pixels, filtered to the same mean."""
    channels, reach = maps.shape[1], kernel.shape[-1] // 2 - 1
    return F.conv_transpose2d(maps, 4 * _each(kernel, maps), stride=2, padding=reach, groups=channels)


def halved(maps: Tensor, kernel: Tensor) -> Tensor:
    """Each channel filtered, and every other pixel of it."""
    channels, reach = maps.shape[1], kernel.shape[-1] // 2 - 1
    return F.conv2d(maps, _each(kernel, maps), stride=2, padding=reach, groups=channels)


def _each(kernel: Tensor, maps: Tensor) -> Tensor:
    # The same filter for each channel, as a depthwise convolution: the fastest of the ways that torch has.
    return kernel.to(maps.dtype).expand(maps.shape[1], -1, -1, -1)
