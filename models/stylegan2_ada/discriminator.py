"""StyleGAN2's discriminator: residual halvings, and a look at how much images of a batch differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harness.api import ImageShape

from ..adversarial import ReadsBatch
from ..layers import image_side
from .generator import widths_of
from .layers import Convolution, Linear, active

#: Images that are compared with each other.
GROUP = 4


class Deviation(ReadsBatch):
    """One more map: how much the maps of a group of images deviate from each other, on average.

    Groups are of 4, or of the largest number below that divides the batch.

    Shape: (n, C, h, w) to (n, C + 1, h, w).

    Source: Karras et al. 2018; reference: NVlabs/stylegan2-ada-pytorch.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """The maps, and the deviation of their group."""
        count, _, height, width = maps.shape
        group = next(size for size in range(min(GROUP, count), 0, -1) if count % size == 0)
        parts = maps.reshape(group, count // group, -1)
        variance = (parts - parts.mean(dim=0)).square().mean(dim=0)
        deviation = (variance + 1e-8).sqrt().mean(dim=1)
        return torch.cat(
            [maps, deviation.repeat(group).view(-1, 1, 1, 1).expand(-1, 1, height, width)], dim=1
        )


class Halving(nn.Module):
    """Two convolutions and a pixel, both at half the side, added with the variance of one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Convolution(inputs, inputs, 3)
        self.second = Convolution(inputs, outputs, 3, down=True)
        self.skip = Convolution(inputs, outputs, 1, down=True, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, s/2, s/2)."""
        added: Tensor = (active(self.second(active(self.first(maps)))) + self.skip(maps)) * math.sqrt(0.5)
        return added


class Discriminator(nn.Module):
    """Unbounded scores, higher for real images: (n, C, H, W) to (n, 1).

    Source: Karras et al. 2020 (StyleGAN2), Fig. 7 (residual); reference: NVlabs/stylegan2-ada-pytorch.
    """

    def __init__(self, shape: ImageShape, *, width: int) -> None:
        super().__init__()
        side = image_side(shape)
        widths = widths_of(side, width)
        self.from_image = Convolution(shape.channels, widths[side], 1)
        self.halvings = nn.Sequential(
            *(Halving(widths[one], widths[one // 2]) for one in reversed(widths) if one > 4)
        )
        self.deviation = Deviation()
        self.last = Convolution(width + 1, width, 3)
        self.flat = Linear(16 * width, width)
        self.score = Linear(width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of images."""
        maps = self.deviation(self.halvings(active(self.from_image(images))))
        scores: Tensor = self.score(active(self.flat(active(self.last(maps)).flatten(1))))
        return scores
