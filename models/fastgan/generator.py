"""FastGAN's generator: one convolution a resolution, and skips from the first maps to the last ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import ImageShape

from ..layers import doublings, image_side, spectrally_normalised
from ..noise import AddedNoise, Draw
from .excitation import Excitation, convolution, exciters

#: Shares of the width at 4 px that the maps of a side have.
SHARES = {4: 1, 8: 2, 16: 4, 32: 8, 64: 8, 128: 16, 256: 32}

#: How many times larger the maps that are excited are than those that excite them.
SPAN = 16


class Scales(NamedTuple):
    """Images at two scales.

    Attributes:
        image: (n, C, H, W) in [-1, 1].
        small: (n, C, H/2, W/2).
    """

    image: Tensor
    small: Tensor


class Gated(nn.Module):
    """A convolution to twice the channels, BatchNorm, and one half as the gate of the other."""

    def __init__(self, inputs: int, outputs: int, *, noise: bool) -> None:
        super().__init__()
        self.convolution = convolution(inputs, 2 * outputs, 3, padding=1)
        self.noise = AddedNoise() if noise else None
        self.norm = nn.BatchNorm2d(2 * outputs)

    def forward(self, maps: Tensor, draw: Draw | None = None) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, s, s)."""
        maps = self.convolution(maps)
        if self.noise is not None:
            maps = self.noise(maps, draw)
        return F.glu(self.norm(maps), dim=1)


class Stage(nn.Module):
    """One doubling of the maps. Every other one convolves twice, with noise."""

    def __init__(self, inputs: int, outputs: int, *, twice: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Gated(inputs, outputs, noise=twice)])
        if twice:
            self.blocks.append(Gated(outputs, outputs, noise=True))

    def forward(self, maps: Tensor, draw: Draw | None = None) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, 2 s, 2 s)."""
        maps = F.interpolate(maps, scale_factor=2, mode="nearest")
        for block in self.blocks:
            maps = block(maps, draw)
        return maps


class Generator(nn.Module):
    """From a latent vector to an image and a smaller one.

    Shape: (n, latent_dim) to ``Scales``.

    Source: reference: odegeasslbc/FastGAN-pytorch, its network for 256 px. Smaller images end earlier; its
    own output has no tanh at 256 px, and has one above.
    """

    def __init__(self, shape: ImageShape, latent_dim: int, *, width: int) -> None:
        super().__init__()
        sides = doublings(image_side(shape))
        widths = {side: width // SHARES[side] for side in sides}
        self.first = spectrally_normalised(nn.ConvTranspose2d(latent_dim, 2 * widths[4], 4, bias=False))
        self.norm = nn.BatchNorm2d(2 * widths[4])
        self.stages = nn.ModuleList(
            Stage(widths[side // 2], widths[side], twice=level % 2 == 0)
            for level, side in enumerate(sides[1:])
        )
        self.sources = exciters(sides, lambda side: side // SPAN)
        self.excitations = nn.ModuleDict(
            {str(side): Excitation(widths[source], widths[side]) for side, source in self.sources.items()}
        )
        self.to_small = convolution(widths[sides[-2]], shape.channels, 1)
        self.to_image = convolution(widths[sides[-1]], shape.channels, 3, padding=1)

    def forward(self, latents: Tensor, draw: Draw | None = None) -> Scales:
        """Images for latent vectors; ``draw`` gives the noise of the maps."""
        maps = F.glu(self.norm(self.first(latents[:, :, None, None])), dim=1)
        made = {4: maps}
        for stage in self.stages:
            maps = stage(maps, draw)
            side = maps.shape[-1]
            if side in self.sources:
                maps = self.excitations[str(side)](made[self.sources[side]], maps)
            made[side] = maps
        *_, before, last = made.values()
        return Scales(torch.tanh(self.to_image(last)), torch.tanh(self.to_small(before)))
