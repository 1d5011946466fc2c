"""A small U-Net that says of each pixel what it shows."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 4
_GROUPS = 4


class UNet(nn.Module):
    """Four levels of two convolutions each down, and of one each back up beside what went down.

    Shape: (n, channels, H, W) to scores (n, classes, H, W), for any side. Normalised within each image, so
    that what is said of one depends on no other.

    Source: Ronneberger et al. 2015, with group normalisation (Wu and He 2018) and nearest neighbours on the
    way up.

    Args:
        channels: Of the images.
        classes: Nothing, and every label.
        width: Channels at full size; each level below has twice as many. A multiple of 4.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width << level for level in range(_LEVELS)]
        self.entrance = block(channels, width)
        self.down = nn.ModuleList(block(narrow, wide) for narrow, wide in pairwise(widths))
        self.up = nn.ModuleList(block(wide + narrow, narrow, depth=1) for narrow, wide in pairwise(widths))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of every class at each pixel."""
        maps = self.entrance(images.contiguous(memory_format=torch.channels_last))
        skips = []
        for block in self.down:
            skips.append(maps)
            maps = block(F.max_pool2d(maps, 2, ceil_mode=True))
        for block, skip in zip(reversed(self.up), reversed(skips), strict=True):
            maps = block(torch.cat([F.interpolate(maps, skip.shape[2:]), skip], dim=1))
        scores: Tensor = self.head(maps)
        return scores


def block(inputs: int, outputs: int, *, depth: int = 2) -> nn.Sequential:
    """``depth`` convolutions of 3 x 3, each normalised and rectified."""
    layers: list[nn.Module] = []
    for count in (inputs, *[outputs] * (depth - 1)):
        layers += [
            nn.Conv2d(count, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(_GROUPS, outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
