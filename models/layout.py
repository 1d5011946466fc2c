"""The order in which the numbers of maps lie in memory.

Networks here work channels last. Some operations of autograd lay out what they make plainly, whatever they
are given: the gradient of a mean, and zeros for the parts of a split that nobody used. From there on every
sum of gradients would walk through memory in two orders at once, several times as slowly.
"""

from __future__ import annotations

import torch
from torch import Tensor


def in_memory_order(values: Tensor) -> Tensor:
    """The values, of maps that lie channels last a view (n, h, w, C): their gradient then lies so too."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        return values.permute(0, 2, 3, 1)
    return values


def split_maps(maps: Tensor, count: int) -> list[Tensor]:
    """Parts of ``count`` images of maps (n, C, h, w); the gradient of the whole lies as the whole does."""
    if not maps.is_contiguous(memory_format=torch.channels_last):
        return list(maps.split(count))
    return [part.permute(0, 3, 1, 2) for part in in_memory_order(maps).split(count)]
