"""R3GAN's networks: the same residual blocks up and down, without normalisation, styles or noise."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import ImageShape

from ..layers import doublings, image_side
from ..resampling import doubled, halved, lowpass

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)

SLOPE = 0.2

#: Residual blocks of a stage, and how many times wider they are inside.
BLOCKS = 2
EXPANSION = 2

#: Channels of a group of the grouped convolution: 96 groups of 1536 channels in the published networks.
GROUP = 16

#: Side of the largest maps that have all channels; above, they halve with each doubling.
WIDEST = 32

#: What keeps the variance through a leaky ReLU (He et al. 2015).
GAIN = math.sqrt(2 / (1 + SLOPE**2))


def widths_of(side: int, width: int) -> list[int]:
    """Channels at 4, 8, ..., ``side`` px."""
    return [width * WIDEST // max(WIDEST, one) for one in doublings(side)]


def convolution(
    inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1, bias: bool = False, gain: float = 1.0
) -> nn.Conv2d:
    """A convolution that keeps the side, with weights from N(0, gain^2 / inputs of an output)."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)
    return _drawn(layer, gain)


def _drawn(layer: Layer, gain: float = 1.0) -> Layer:
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """An inverted bottleneck: wider inside, where a grouped convolution looks around. At first the identity.

    The first weights keep the variance whatever the depth, without normalisation: those inside are scaled
    by depth^(-1/4), and the last ones are 0 (Zhang et al. 2019, Fixup, for three layers a block).

    Shape: (n, C, h, w) to the same.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        wide, gain = EXPANSION * channels, GAIN * depth ** (-1 / 4)
        self.widen = convolution(channels, wide, bias=True, gain=gain)
        self.look = convolution(wide, wide, 3, groups=max(1, wide // GROUP), bias=True, gain=gain)
        self.narrow = convolution(wide, channels, gain=0.0)

    def forward(self, maps: Tensor) -> Tensor:
        """The maps, and what the block adds."""
        inside = F.leaky_relu(self.look(F.leaky_relu(self.widen(maps), SLOPE)), SLOPE)
        added: Tensor = maps + self.narrow(inside)
        return added


class Resampled(nn.Module):
    """Twice or half the side, and other channels where they change."""

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.project = nn.Identity() if inputs == outputs else convolution(inputs, outputs)
        self.up = up
        self.register_buffer("kernel", lowpass(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, 2 s, 2 s), or to half."""
        # The projection is always taken where the maps are smaller.
        if self.up:
            return doubled(self.project(maps), self.kernel)
        projected: Tensor = self.project(halved(maps, self.kernel))
        return projected


def _stage(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(channels, depth) for _ in range(BLOCKS)))


class Generator(nn.Module):
    """From a latent vector, which scales learnt maps of 4 px, to an image.

    Shape: (n, latent_dim) to (n, C, H, W), unbounded.

    Source: Huang et al. 2024; reference: brownvc/R3GAN. 23,058,336 parameters at 256 px.
    """

    def __init__(self, shape: ImageShape, latent_dim: int, *, width: int) -> None:
        super().__init__()
        widths = widths_of(image_side(shape), width)
        depth = BLOCKS * len(widths)
        self.basis = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.scales = _drawn(nn.Linear(latent_dim, widths[0], bias=False))
        self.stages = nn.ModuleList([_stage(widths[0], depth)])
        for before, after in pairwise(widths):
            self.stages.append(nn.Sequential(Resampled(before, after, up=True), _stage(after, depth)))
        self.to_image = convolution(widths[-1], shape.channels)

    def forward(self, latents: Tensor) -> Tensor:
        """Images for latent vectors."""
        maps = self.basis * self.scales(latents)[:, :, None, None]
        for stage in self.stages:
            maps = stage(maps)
        images: Tensor = self.to_image(maps)
        return images


class Discriminator(nn.Module):
    """The generator mirrored: unbounded scores, of which only differences mean something.

    Shape: (n, C, H, W) to (n,).

    Source: as the generator. 23,010,336 parameters at 256 px.
    """

    def __init__(self, shape: ImageShape, *, width: int) -> None:
        super().__init__()
        widths = widths_of(image_side(shape), width)[::-1]
        depth = BLOCKS * len(widths)
        self.from_image = convolution(shape.channels, widths[0])
        self.stages = nn.ModuleList()
        for before, after in pairwise(widths):
            self.stages.append(nn.Sequential(_stage(before, depth), Resampled(before, after, up=False)))
        self.stages.append(_stage(widths[-1], depth))
        self.basis = _drawn(nn.Conv2d(widths[-1], widths[-1], 4, groups=widths[-1], bias=False))
        self.score = _drawn(nn.Linear(widths[-1], 1, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        """Scores of images."""
        maps = self.from_image(images)
        for stage in self.stages:
            maps = stage(maps)
        scores: Tensor = self.score(self.basis(maps).flatten(1))
        return scores.flatten()
