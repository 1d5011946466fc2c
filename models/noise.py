"""Noise that a generator adds to its maps: new in every step of training, from seeds to sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Standard normal numbers for a batch: from a shape to (n, *shape).
Draw = Callable[[tuple[int, ...]], Tensor]


class AddedNoise(nn.Module):
    """One map of noise, the same for all channels, as strong as the network learns; at first there is none.

    Shape: (n, C, h, w) to the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor, draw: Draw | None = None) -> Tensor:
        """The maps and their noise; ``draw`` gives it, or torch's global generator where there is none."""
        count, _, height, width = maps.shape
        noise = (
            torch.randn(count, 1, height, width, device=maps.device)
            if draw is None
            else draw((1, height, width))
        )
        noisy: Tensor = maps + (self.strength * noise).to(maps.dtype)
        return noisy
