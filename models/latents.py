"""Random inputs of generators: drawn in batches to train, one seed an image to sample."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from harness.api import ImageShape

Distribution = Literal["uniform", "normal"]


class SeededDraws:
    """One stream of random numbers for each image, so that an image depends on its own seed alone.

    The streams run on the CPU, whose generator gives the same numbers on every machine.

    Args:
        seeds: int64 (n,).
        device: Where the drawn numbers go.
    """

    def __init__(self, seeds: Tensor, device: torch.device) -> None:
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]
        self.device = device

    def draw(self, one: Callable[[torch.Generator], Tensor]) -> Tensor:
        """Stack what ``one`` draws from each image's stream: (n, ...)."""
        return torch.stack([one(stream) for stream in self.streams]).to(self.device)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, (n, *shape)."""
        return self.draw(lambda stream: torch.randn(shape, generator=stream))


def seeds_of(images: Tensor) -> Tensor:
    """A seed for each image (n, C, H, W) in [-1, 1], from its grey levels: equal images have equal seeds."""
    levels = ((images.detach() + 1) * 127.5).round().to(torch.uint8).cpu().contiguous()
    digests = (hashlib.sha256(image.numpy().tobytes()).digest() for image in levels)
    return torch.tensor([int.from_bytes(digest[:7]) for digest in digests])


class LatentLaw(abc.ABC):
    """The distribution of a generator's input.

    Attributes:
        dimension: Length of one latent vector.
    """

    dimension: int

    @abc.abstractmethod
    def draw(
        self, count: int, *, device: torch.device | None = None, stream: torch.Generator | None = None
    ) -> Tensor:
        """Draw (count, dimension) latents, from torch's global generator unless a stream is given."""

    def seeded(self, draws: SeededDraws) -> Tensor:
        """One latent for each seed, (n, dimension)."""
        return draws.draw(lambda stream: self.draw(1, stream=stream)[0])


class NoiseLaw(LatentLaw):
    """Independent numbers, uniform in [-1, 1] or standard normal."""

    def __init__(self, dimension: int, distribution: Distribution) -> None:
        self.dimension = dimension
        self.distribution = distribution

    def draw(
        self, count: int, *, device: torch.device | None = None, stream: torch.Generator | None = None
    ) -> Tensor:
        """Draw (count, dimension) latents."""
        size = (count, self.dimension)
        if self.distribution == "uniform":
            return torch.rand(size, device=device, generator=stream) * 2 - 1
        return torch.randn(size, device=device, generator=stream)


def latent_dimension(configured: int | None, shape: ImageShape) -> int:
    """The configured length of the noise, or the published one: 100 up to 64 px, 1000 above."""
    if configured is not None:
        return configured
    return 100 if shape.height <= 64 else 1000
