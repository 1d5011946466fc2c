"""EDM's process: noise of any level, and unit variance around the network (Karras et al. 2022)."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ..latents import SeededDraws
from .process import Predict, Process, per_image


class Scales(NamedTuple):
    """What surrounds the network at a noise level (Karras et al. 2022, Table 1)."""

    skip: Tensor
    out: Tensor
    into: Tensor
    noise: Tensor


class Preconditioned(Process):
    """Images plus noise of a level sigma, and a denoiser D of unit scales around a network.

    Args:
        sigma_data: Standard deviation of the pixels.
        mean: Mean of log sigma in training.
        deviation: Its standard deviation.
        sigma_min: The lowest level of noise when sampling, before none.
        sigma_max: The highest.
        rho: How much closer together the low levels are.
    """

    def __init__(
        self,
        *,
        sigma_data: float = 0.5,
        mean: float = -1.2,
        deviation: float = 1.2,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
    ) -> None:
        self.sigma_data = sigma_data
        self.mean, self.deviation = mean, deviation
        self.sigma_min, self.sigma_max, self.rho = sigma_min, sigma_max, rho

    def scales(self, sigma: Tensor) -> Scales:
        """What surrounds the network, by level (Table 1, column EDM)."""
        total = sigma**2 + self.sigma_data**2
        return Scales(
            skip=self.sigma_data**2 / total,
            out=sigma * self.sigma_data / total.sqrt(),
            into=1 / total.sqrt(),
            noise=sigma.log() / 4,
        )

    def denoised(self, predict: Predict, noisy: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (Eq. 7)."""
        scales = Scales(*(per_image(scale, noisy) for scale in self.scales(sigma)))
        found = predict(scales.into * noisy, scales.noise.flatten())
        return scales.skip * noisy + scales.out * found

    def loss(self, predict: Predict, images: Tensor, start: Tensor) -> Tensor:
        """The squared error of the denoised image, weighted by 1 / c_out^2 (Eq. 2 and Table 1)."""
        levels = torch.randn(len(images), device=images.device)
        sigma = (self.mean + self.deviation * levels).exp()
        found = self.denoised(predict, images + per_image(sigma, images) * start, sigma)
        weight = per_image(self.scales(sigma).out, images) ** -2
        return (weight * (found - images) ** 2).mean()

    def levels(self, steps: int) -> list[float]:
        """Noise levels from the highest to none, one more than there are steps (Eq. 5)."""
        high, low = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        shares = [step / max(steps - 1, 1) for step in range(steps)]
        return [*((high + share * (low - high)) ** self.rho for share in shares), 0.0]

    def back(self, predict: Predict, start: Tensor, draws: SeededDraws, sampler: str, steps: int) -> Tensor:
        """Solve dx/dsigma = (x - D(x; sigma)) / sigma by ``euler`` or ``heun`` (Algorithm 1)."""
        levels = self.levels(steps)
        images = start * levels[0]

        def slope(states: Tensor, level: float) -> Tensor:
            sigma = torch.full((), level, device=start.device)
            return (states - self.denoised(predict, states, sigma)) / level

        for now, then in pairwise(levels):
            first = slope(images, now)
            after = images + (then - now) * first
            # At no noise there is no slope: the last step is one of Euler.
            if sampler == "heun" and then > 0:
                after = images + (then - now) * (first + slope(after, then)) / 2
            images = after
        return images
