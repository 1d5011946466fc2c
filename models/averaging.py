"""A network that follows another one slowly, to sample with."""

from __future__ import annotations

import torch
from torch import nn

from .settings import AveragingConfig


def decay_at(config: AveragingConfig, step: int) -> float:
    """The decay of a step. torch's own ``AveragedModel`` waits for the device at each update."""
    decay = config.ema_decay or 0.0
    if step < config.ema_start:
        return 0.0
    return min(decay, (1 + step) / (10 + step)) if config.ema_warmup else decay


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average's parameters towards the network's, and copy the buffers.

    Averaged buffers would be wrong where they hold a state that belongs to one set of weights, as the
    vectors of spectral norm do.
    """
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for followed, buffer in zip(average.buffers(), network.buffers(), strict=True):
        followed.copy_(buffer)
