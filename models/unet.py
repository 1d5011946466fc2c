"""The generator of all translators here: a residual U-Net from one modality to another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import ImageShape, SpecError

Norm = Literal["group", "instance"]

#: Resolutions of the U-Net, each with half the side and twice the channels of the one before.
LEVELS = 4

#: Channels that share their statistics (Wu & He 2018).
GROUP_CHANNELS = 16

#: The long residual holds the source this far inside (-1, 1), where the logarithm of its odds is finite.
RESIDUAL_LIMIT = 0.98

#: Normalisation of feature maps: over each image alone, so no image depends on the batch that it is in.
NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "group": lambda channels: nn.GroupNorm(max(1, channels // GROUP_CHANNELS), channels),
    "instance": lambda channels: nn.GroupNorm(channels, channels),
}


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; a stride of 2 halves the side.

    Shape: (n, inputs, s, s) to (n, outputs, s / stride, s / stride).

    Source: He et al. 2016; the shortcut is a convolution wherever the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.first_norm = NORMS[norm](outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = NORMS[norm](outputs)
        changes = stride > 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride) if changes else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """The shortcut, plus what the convolutions add."""
        added = F.relu(self.first_norm(self.first(maps)), inplace=True)
        added = self.second_norm(self.second(added))
        return F.relu(self.shortcut(maps) + added, inplace=True)


class ResidualUNet(nn.Module):
    """Residual blocks of 1, 2, 4 and 8 times ``width`` channels down, and back up beside what went down.

    Shape: (n, C, H, W) in [-1, 1] to the same; sides are multiples of 8.

    Source: Ronneberger et al. 2015 for the shape, He et al. 2016 for the blocks. At a width of 64 the levels
    have 64, 128, 256 and 512 channels.

    Args:
        shape: Shape of the images.
        width: Channels at full size.
        norm: Normalisation of the feature maps.
        residual: Start from the source (a long-term residual): what the U-Net finds is added to it before
            the last tanh, where tanh's inverse keeps the sum an image.
    """

    def __init__(self, shape: ImageShape, *, width: int, norm: Norm, residual: bool = False) -> None:
        super().__init__()
        smallest = 2 ** (LEVELS - 1)
        if shape.height % smallest or shape.width % smallest:
            raise SpecError(
                f"this U-Net can't make images of {shape.height} x {shape.width} px",
                needed=f"sides that are multiples of {smallest}",
                hint="--res 256",
            )
        self.residual = residual
        widths = [width << level for level in range(LEVELS)]
        self.entrance = ResidualBlock(shape.channels, width, norm)
        self.down = nn.ModuleList(
            ResidualBlock(narrow, wide, norm, stride=2) for narrow, wide in pairwise(widths)
        )
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * to, to, 2, stride=2) for to in widths[-2::-1])
        self.up = nn.ModuleList(ResidualBlock(2 * to, to, norm) for to in widths[-2::-1])
        self.to_image = nn.Conv2d(width, shape.channels, 1)

    def forward(self, source: Tensor) -> Tensor:
        """Images of the other modality."""
        maps = self.entrance(source.contiguous(memory_format=torch.channels_last))
        skips = []
        for block in self.down:
            skips.append(maps)
            maps = block(maps)
        for grow, block in zip(self.grow, self.up, strict=True):
            maps = block(torch.cat([grow(maps), skips.pop()], dim=1))
        found: Tensor = self.to_image(maps)
        return torch.tanh(found + torch.atanh(RESIDUAL_LIMIT * source) if self.residual else found)
