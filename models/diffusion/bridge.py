"""The Brownian bridge: a process with an image at one end and its source at the other (Li et al. 2023)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..latents import SeededDraws
from .process import Predict, Process, per_image

#: Times of the bridge; the share of the source rises linearly over them, from the first to the last.
BRIDGE_STEPS = 1000
FIRST_SHARE, LAST_SHARE = 0.001, 0.999


class BrownianBridge(Process):
    """x_t = (1 - m_t) x_0 + m_t y + sqrt(delta_t) noise, and a network that says x_t - x_0.

    Args:
        variance: s in delta_t = 2 s (m_t - m_t^2) (Li et al. 2023, Eq. 6).
    """

    times = torch.int64

    def __init__(self, *, variance: float = 1.0) -> None:
        self.shares = torch.linspace(FIRST_SHARE, LAST_SHARE, BRIDGE_STEPS, dtype=torch.float64)
        self.variances = 2 * variance * (self.shares - self.shares**2)

    def loss(self, predict: Predict, images: Tensor, start: Tensor) -> Tensor:
        """The absolute error of m_t (y - x_0) + sqrt(delta_t) noise (Algorithm 1)."""
        noise = torch.randn_like(images)
        times = torch.randint(BRIDGE_STEPS, (len(images),), device=images.device)
        share, variance = (
            per_image(table.to(images)[times], images) for table in (self.shares, self.variances)
        )
        added = share * (start - images) + variance.sqrt() * noise
        return (predict(images + added, times) - added).abs().mean()

    def steps(self, count: int) -> list[int]:
        """The times of a sampling, from the source to the image (reference: xuekt98/BBDM, ``linear``)."""
        stride = (BRIDGE_STEPS - 1) / (count - 2)
        times = [int(BRIDGE_STEPS - 1 - number * stride) for number in range(count - 2)]
        return list(dict.fromkeys([*times, 1, 0]))

    def back(self, predict: Predict, start: Tensor, draws: SeededDraws, sampler: str, steps: int) -> Tensor:
        """From the source, with noise on the way (``stochastic``, Algorithm 2) or not (``deterministic``)."""
        images = start
        times = self.steps(steps)
        for now, then in zip(times, [*times[1:], None], strict=True):
            time = torch.full((), now, device=start.device)
            expected = (images - predict(images, time)).clamp(-1, 1)
            if then is None:
                return expected
            share, later = self.shares[now].item(), self.shares[then].item()
            noise = self.step_variance(now, then) if sampler == "stochastic" else 0.0
            kept = math.sqrt((self.variances[then].item() - noise) / self.variances[now].item())
            apart = images - (1 - share) * expected - share * start
            images = (1 - later) * expected + later * start + kept * apart
            if noise:
                images = images + math.sqrt(noise) * draws.normal(tuple(start.shape[1:]))
        return images

    def step_variance(self, now: int, then: int) -> float:
        """Variance of x_then, given x_now, x_0 and y (Li et al. 2023, Eq. 13, between any two times)."""
        before, after = self.variances[now].item(), self.variances[then].item()
        ratio = (1 - self.shares[now].item()) / (1 - self.shares[then].item())
        return (before - after * ratio**2) * after / before
