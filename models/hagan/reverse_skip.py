"""The reverse skip: the discriminator's maps of real images, added to the generator's.

The published text does not say what takes their place when sampling, where no real image may enter. There
are three answers here; the training follows the one that is chosen, by feeding it what sampling will use
in a share of the cases.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from harness.api import ImageShape

from ..latents import SeededDraws
from ..layers import image_side, stage_widths
from .discriminator import HierarchicalDiscriminator

SamplingSource = Literal["mean", "off", "train"]

#: Weight of the past in the running mean, once enough batches have been seen.
MOMENTUM = 0.99

#: Real images that ``train`` keeps to sample with.
BANK_SIZE = 64


class ReverseSkip(nn.Module, abc.ABC):
    """What is added to the generator's maps. All lists of maps run from 4 px up, as the generator does."""

    @abc.abstractmethod
    def for_training(self, real: Tensor, maps: Sequence[Tensor], drop: float) -> list[Tensor]:
        """What the generator receives in a training step.

        Args:
            real: The real images, (n, C, H, W).
            maps: The discriminator's maps of these images. No gradient flows back into them.
            drop: Probability for each image to receive what sampling will use in place of real maps.
        """

    @abc.abstractmethod
    def for_sampling(
        self, draws: SeededDraws, discriminator: HierarchicalDiscriminator
    ) -> list[Tensor] | None:
        """What the generator receives when it samples."""


class MeanSkip(ReverseSkip):
    """A running mean of every real map stands for the real image."""

    batches: Tensor

    def __init__(self, shape: ImageShape, width: int) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros(()))
        for level, channels in enumerate(stage_widths(image_side(shape), width)):
            self.register_buffer(f"mean{level}", torch.zeros(1, channels, 4 << level, 4 << level))

    @property
    def means(self) -> list[Tensor]:
        """The running means."""
        return [buffer for name, buffer in self.named_buffers() if name.startswith("mean")]

    def for_training(self, real: Tensor, maps: Sequence[Tensor], drop: float) -> list[Tensor]:
        """Real maps, or their running mean."""
        self.batches.add_(1)
        weight = (1 / self.batches).clamp(min=1 - MOMENTUM)
        for mean, level in zip(self.means, maps, strict=True):
            mean.lerp_(level.detach().mean(dim=0, keepdim=True, dtype=mean.dtype), weight)
        return _with_drops(maps, self.means, drop)

    def for_sampling(self, draws: SeededDraws, discriminator: HierarchicalDiscriminator) -> list[Tensor]:
        """The running means, for every image."""
        return self.means


class NoSkip(ReverseSkip):
    """Nothing is added when sampling."""

    def __init__(self, shape: ImageShape, width: int) -> None:
        super().__init__()

    def for_training(self, real: Tensor, maps: Sequence[Tensor], drop: float) -> list[Tensor]:
        """Real maps, or zeros."""
        return _with_drops(maps, [level.new_zeros(()) for level in maps], drop)

    def for_sampling(self, draws: SeededDraws, discriminator: HierarchicalDiscriminator) -> None:
        """Nothing."""


class TrainingImagesSkip(ReverseSkip):
    """Maps of training images, kept in a bank: training data leaks into the samples, to measure how much."""

    images: Tensor
    seen: Tensor

    def __init__(self, shape: ImageShape, width: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(BANK_SIZE, shape.channels, shape.height, shape.width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def for_training(self, real: Tensor, maps: Sequence[Tensor], drop: float) -> list[Tensor]:
        """Real maps, always: they are what sampling uses."""
        newest = real[:BANK_SIZE].detach()
        places = (self.seen + torch.arange(len(newest), device=real.device)) % BANK_SIZE
        self.images.index_copy_(0, places, newest)
        self.seen.add_(len(newest))
        return [level.detach() for level in maps]

    def for_sampling(self, draws: SeededDraws, discriminator: HierarchicalDiscriminator) -> list[Tensor]:
        """The maps of one image of the bank for each sample."""
        filled = self.seen.clamp(min=1, max=BANK_SIZE)
        place = draws.draw(lambda stream: torch.rand((), generator=stream))
        chosen = self.images[(place * filled).long().clamp(max=BANK_SIZE - 1)]
        maps: list[Tensor] = discriminator.trunk(chosen)
        return maps[::-1]


SOURCES: dict[SamplingSource, Callable[[ImageShape, int], ReverseSkip]] = {
    "mean": MeanSkip,
    "off": NoSkip,
    "train": TrainingImagesSkip,
}


def _with_drops(maps: Sequence[Tensor], substitutes: Sequence[Tensor], drop: float) -> list[Tensor]:
    keep = torch.rand(len(maps[0]), 1, 1, 1, device=maps[0].device) >= drop
    return [
        torch.where(keep, level.detach(), substitute)
        for level, substitute in zip(maps, substitutes, strict=True)
    ]
