"""A network that follows another one slowly, to sample with."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average's parameters towards the network's, and copy the buffers.

    Averaged buffers would be wrong where they hold a state that belongs to one set of weights, as the
    vectors of spectral norm do. Early on the decay is smaller, (1 + step) / (10 + step), so that the first
    weights don't outlive a short training. torch's own ``AveragedModel`` waits for the device at each update.
    """
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for followed, buffer in zip(average.buffers(), network.buffers(), strict=True):
        followed.copy_(buffer)
