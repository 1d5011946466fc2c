"""The hierarchical discriminator: it judges whole images, and pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from harness.api import ImageShape

from ..layers import Trunk, spectrally_normalised
from ..layout import split_maps

PixelBranch = Literal["lateral", "separate", "none"]

SLOPE = 0.1


class Judgement(NamedTuple):
    """What the discriminator says of n images.

    Attributes:
        image: (n,) scores of whole images; 1 means real and 0 generated.
        pixels: Scores of pixels, each (n, 1, s, s); one grid for every scale that the pixel branch judges.
        maps: The trunk's feature maps, from (n, width / 8, H/2, W/2) to (n, width, 4, 4).
    """

    image: Tensor
    pixels: tuple[Tensor, ...]
    maps: tuple[Tensor, ...]

    def split(self, count: int) -> list[Judgement]:
        """Take apart the judgement of a concatenation of batches of ``count`` images."""
        images = self.image.split(count)
        pixels = [split_maps(grid, count) for grid in self.pixels]
        maps = [split_maps(level, count) for level in self.maps]
        return [
            Judgement(image, tuple(grid[part] for grid in pixels), tuple(level[part] for level in maps))
            for part, image in enumerate(images)
        ]


class HierarchicalDiscriminator(nn.Module):
    """The four-layer path of DCGAN's discriminator for the image, a three-layer branch for its pixels.

    2,764,737 parameters at 64 px for the image branch; the pixel branch adds its own.
    """

    def __init__(self, shape: ImageShape, width: int, pixel_branch: PixelBranch) -> None:
        super().__init__()
        self.trunk = Trunk(shape, width=width, slope=SLOPE, spectral=True)
        self.head = nn.Conv2d(self.trunk.widths[-1], 1, 4)
        self.pixel_branch = BRANCHES[pixel_branch](shape, self.trunk.widths)

    def forward(self, images: Tensor) -> Judgement:
        """Judge images (n, C, H, W)."""
        maps = self.trunk(images)
        return Judgement(self.head(maps[-1]).flatten(), tuple(self.pixel_branch(images, maps)), tuple(maps))


class LateralBranch(nn.Module):
    """One 1 x 1 convolution on each of the trunk's first three maps: three grids of pixel scores.

    451 parameters at 64 px. The one reading that keeps the published operation count.
    """

    def __init__(self, shape: ImageShape, widths: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths[:3])

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """One grid of scores for each of the first three maps."""
        return [head(level) for head, level in zip(self.heads, maps, strict=False)]


class SeparateBranch(nn.Module):
    """A path of its own on the image, three 3 x 3 convolutions to 32, 16 and 1 channels at full size.

    5,665 parameters for images of 3 channels. The literal reading, and more work.
    """

    def __init__(self, shape: ImageShape, widths: Sequence[int]) -> None:
        super().__init__()
        self.path = nn.Sequential(
            spectrally_normalised(nn.Conv2d(shape.channels, 32, 3, padding=1)),
            nn.LeakyReLU(SLOPE),
            spectrally_normalised(nn.Conv2d(32, 16, 3, padding=1)),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(16, 1, 3, padding=1),
        )

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """One grid of scores, as large as the image."""
        return [self.path(images.contiguous(memory_format=torch.channels_last))]


class NoBranch(nn.Module):
    """No judgement of pixels."""

    def __init__(self, shape: ImageShape, widths: Sequence[int]) -> None:
        super().__init__()

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """No grid."""
        return []


BRANCHES: dict[PixelBranch, Callable[[ImageShape, Sequence[int]], nn.Module]] = {
    "lateral": LateralBranch,
    "separate": SeparateBranch,
    "none": NoBranch,
}
