"""The process of a thousand steps: the network predicts the noise in an image (Ho et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from pydantic import AfterValidator
from torch import Tensor
from torch.nn import functional as F

from ..latents import SeededDraws
from .process import Predict, Process

#: Steps of the forward process, from an image to noise.
DIFFUSION_STEPS = 1000

Sampler = Literal["ddim", "ddpm"]
Variance = Literal["fixed_small", "fixed_large"]
Betas = Literal["linear", "scaled_linear"]


def _divides(steps: int) -> int:
    """DDIM steps by whole times: between others it would undo less noise than there is."""
    if DIFFUSION_STEPS % steps:
        raise ValueError(f"a divisor of {DIFFUSION_STEPS}, such as 10, 20, 50 or 100")
    return steps


Steps = Annotated[int, AfterValidator(_divides)]


class NoisePrediction(Process):
    """Noise is added by a schedule of betas, and the network says which.

    Args:
        betas: How the variances of the steps rise: they do linearly, or their roots do.
        first: The first of them.
        last: The last of them.
        variance: Of the noise that the ancestral sampler adds: of the posterior (small), or beta_t (large).
        clip: Whether the sampler keeps the image that it expects within [-1, 1].
        error: How far predicted noise is from the noise.
    """

    times = torch.int64

    def __init__(
        self,
        *,
        betas: Betas = "linear",
        first: float = 1e-4,
        last: float = 0.02,
        variance: Variance = "fixed_small",
        clip: bool = True,
        error: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    ) -> None:
        self.variance = variance
        self.error = error
        # Trailing: the first step is at pure noise, however few there are.
        self._settings = {
            "num_train_timesteps": DIFFUSION_STEPS,
            "beta_schedule": betas,
            "beta_start": first,
            "beta_end": last,
            "clip_sample": clip,
            "timestep_spacing": "trailing",
        }
        self.schedule = self.scheduler("ddpm")

    def loss(self, predict: Predict, images: Tensor, start: Tensor) -> Tensor:
        """Predict the noise that was added to each image at a random time step (Ho et al. 2020, Eq. 14)."""
        times = torch.randint(DIFFUSION_STEPS, (len(images),), device=images.device)
        noisy = self.schedule.add_noise(images, start, times)
        return self.error(predict(noisy, times), start)

    def back(self, predict: Predict, start: Tensor, draws: SeededDraws, sampler: str, steps: int) -> Tensor:
        """Ancestral sampling (``ddpm``), or without noise on the way (``ddim``, Song et al. 2021)."""
        images = start
        scheduler = self.scheduler(sampler)
        scheduler.set_timesteps(steps)
        for time in scheduler.timesteps:
            noise = predict(images, time.to(start.device))
            images = scheduler.step(noise, time, images, generator=draws.streams).prev_sample
        return images

    def scheduler(self, sampler: str) -> DDIMScheduler | DDPMScheduler:
        """A sampler of diffusers, for this schedule."""
        if sampler == "ddim":
            return DDIMScheduler(**self._settings)
        return DDPMScheduler(**self._settings, variance_type=self.variance)
