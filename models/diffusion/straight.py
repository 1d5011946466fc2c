"""The process of straight paths: rectified flow, or flow matching (Liu et al. 2023, Lipman et al. 2023)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..latents import SeededDraws
from .process import Predict, Process, per_image

TimeLaw = Literal["logit-normal", "uniform"]

#: What times in [0, 1] are multiplied by for the network, whose embedding is made for a thousand steps.
TIME_SCALE = 999.0


class StraightPath(Process):
    """Time runs from 0, noise, to 1, an image; on the way states are mixtures of both.

    Args:
        law: Law of the times in training.
        mean: Mean of their logit, where it is normal.
        deviation: Its standard deviation.
    """

    def __init__(self, *, law: TimeLaw = "logit-normal", mean: float = 0.0, deviation: float = 1.0) -> None:
        self.law = law
        self.mean, self.deviation = mean, deviation

    def draw_times(self, count: int, device: torch.device) -> Tensor:
        """Random times: uniform (Liu et al. 2023), or with a normal logit (Esser et al. 2024, Eq. 19)."""
        if self.law == "uniform":
            return torch.rand(count, device=device)
        return torch.sigmoid(self.mean + self.deviation * torch.randn(count, device=device))

    def loss(self, predict: Predict, images: Tensor, start: Tensor) -> Tensor:
        """The squared error of the velocity, image minus noise (Liu et al. 2023, Eq. 1)."""
        times = self.draw_times(len(images), images.device)
        share = per_image(times, images)
        found = predict(share * images + (1 - share) * start, TIME_SCALE * times)
        return (found - (images - start)).square().mean()

    def back(self, predict: Predict, start: Tensor, draws: SeededDraws, sampler: str, steps: int) -> Tensor:
        """Follow the velocity from noise to an image in equal steps, by ``euler`` or ``heun``."""
        images = start

        def velocity(states: Tensor, time: float) -> Tensor:
            return predict(states, torch.full((), TIME_SCALE * time, device=start.device))

        for step in range(steps):
            first = velocity(images, step / steps)
            after = images + first / steps
            if sampler == "heun":
                after = images + (first + velocity(after, (step + 1) / steps)) / (2 * steps)
            images = after
        return images
