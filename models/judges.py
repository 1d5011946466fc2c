"""Discriminators of translated images: fully convolutional, and each sees the source beside the image."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .unet import NORMS, Norm

SLOPE = 0.2

#: Deepest maps have at most this many times the first maps' channels (Isola et al. 2017).
WIDEST = 8


class Judges(nn.ModuleDict):
    """Discriminators by name, asked all at once; there may be none.

    Shape: (n, 2 C, H, W), source and image side by side as channels, to unbounded scores by name, higher for
    real images.
    """

    def __init__(self, judges: Mapping[str, nn.Module]) -> None:
        super().__init__(judges)

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        """What each discriminator says of pairs."""
        pairs = pairs.contiguous(memory_format=torch.channels_last)
        return {name: judge(pairs) for name, judge in self.items()}


class PatchDiscriminator(nn.Module):
    """PatchGAN: one score for each of many overlapping patches, which are 9 x 2^halvings - 2 px wide.

    Shape: (n, inputs, H, W) to (n, 1, H', W'), where H' = H / 2^halvings - 2.

    Source: Isola et al. 2017; three halvings make its patches of 70 px. Its BatchNorm is replaced: see
    ``NORMS``.
    """

    def __init__(self, inputs: int, *, width: int, norm: Norm, halvings: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for level in range(halvings + 1):
            outputs = width * min(2**level, WIDEST)
            stride = 2 if level < halvings else 1
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))
            if level > 0:
                layers.append(NORMS[norm](outputs))
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            inputs = outputs
        self.path = nn.Sequential(*layers, nn.Conv2d(inputs, 1, 4, padding=1))

    def forward(self, pairs: Tensor) -> Tensor:
        """Scores of patches."""
        scores: Tensor = self.path(pairs)
        return scores


class GlobalDiscriminator(nn.Module):
    """One score for each image: the mean over PatchGAN's scores, whose patches are larger than the image.

    Shape: (n, inputs, H, W) to (n, 1). The path halves the image until at most 8 px are left: at 256 px the
    patches have 286, at 64 px they have 70.
    """

    def __init__(self, inputs: int, *, side: int, width: int, norm: Norm) -> None:
        super().__init__()
        halvings = max(1, math.ceil(math.log2(side / 8)))
        self.patches = PatchDiscriminator(inputs, width=width, norm=norm, halvings=halvings)

    def forward(self, pairs: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.patches(pairs)
        return scores.mean(dim=(2, 3))


class LocalDiscriminator(nn.Module):
    """One score for each pixel: an encoder of three halvings and a decoder that reads its maps again.

    Shape: (n, inputs, H, W) to (n, 1, H, W); sides are multiples of 8. The sigmoid of a score is the
    confidence, in (0, 1), that the pixel is real.
    """

    def __init__(self, inputs: int, *, width: int, norm: Norm) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, outputs in enumerate(widths):
            halve = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            self.down.append(nn.Sequential(halve, NORMS[norm](outputs)) if level else halve)
            inputs = outputs
        for outputs in widths[-2::-1]:
            double = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
            self.up.append(nn.Sequential(double, NORMS[norm](outputs)))
            inputs = 2 * outputs
        self.to_pixels = nn.ConvTranspose2d(inputs, 1, 4, stride=2, padding=1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Scores of pixels."""
        maps, skips = pairs, []
        for step in self.down:
            maps = F.leaky_relu(step(maps), SLOPE, inplace=True)
            skips.append(maps)
        for step, skip in zip(self.up, skips[-2::-1], strict=True):
            maps = torch.cat([F.leaky_relu(step(maps), SLOPE, inplace=True), skip], dim=1)
        scores: Tensor = self.to_pixels(maps)
        return scores
