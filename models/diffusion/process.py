"""What a diffusion process is: how images turn into something else, and what leads back."""

from __future__ import annotations

import abc
from collections.abc import Callable

import torch
from torch import Tensor

from ..latents import SeededDraws

Predict = Callable[[Tensor, Tensor], Tensor]
"""A network, asked about states (n, C, H, W) at times (n,) or at one time (): an answer of their shape."""


class Process(abc.ABC):
    """The way from images to a start, and back.

    The start is where sampling begins: standard normal noise, or for a bridge the source.

    Attributes:
        times: Kind of number that the network is told the time by.
    """

    times: torch.dtype = torch.float32

    @abc.abstractmethod
    def loss(self, predict: Predict, images: Tensor, start: Tensor) -> Tensor:
        """How far the network's answer is from what it should be, at one random time for each image.

        Args:
            predict: The network.
            images: Where the way back should lead, (n, C, H, W).
            start: Where it begins, same shape.

        Returns:
            A scalar.
        """

    @abc.abstractmethod
    def back(self, predict: Predict, start: Tensor, draws: SeededDraws, sampler: str, steps: int) -> Tensor:
        """Go from the start to images.

        Args:
            predict: The network.
            start: Where to begin, (n, C, H, W).
            draws: The streams for noise on the way, one for each image.
            sampler: One of those that the process knows.
            steps: How many steps to take.
        """


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """One number for each image, (n,) or (), in a shape that multiplies (n, C, H, W)."""
    return values.view(-1, *(1 for _ in images.shape[1:]))
