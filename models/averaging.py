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


def decay_of_half_life(half_life: float, warmup: float, count: int, step: int) -> float:
    """The decay of a step of ``count`` images, by how many images it takes to forget half.

    Args:
        half_life: That many images.
        warmup: It is no more than this share of the images that were seen.
        count: Images in a step.
        step: Steps before this one.

    Source: reference: NVlabs/edm.
    """
    images = min(half_life, warmup * count * step)
    return float(0.5 ** (count / images)) if images else 0.0


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average's parameters towards the network's, and copy the buffers.

    Averaged buffers would be wrong where they hold a state that belongs to one set of weights, as the
    vectors of spectral norm do.
    """
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for followed, buffer in zip(average.buffers(), network.buffers(), strict=True):
        followed.copy_(buffer)
