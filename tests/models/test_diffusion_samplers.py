"""Samplers with a known answer: given the exact denoiser of a mixture, its moments must come out.

Every pixel is drawn from one mixture of two Gaussians, uneven and so skewed. The best guess of a pixel in
noise of a known level is elementary; each network is replaced by the answer that it would give if it knew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from harness_models.diffusion.bridge import BrownianBridge
from harness_models.diffusion.discrete import NoisePrediction
from harness_models.diffusion.preconditioned import Preconditioned, Scales
from harness_models.diffusion.process import Predict, Process
from harness_models.diffusion.straight import StraightPath
from harness_models.latents import SeededDraws
from torch import Tensor

WEIGHTS, CENTRES, WIDTHS = (0.3, 0.7), (-0.6, 0.4), (0.1, 0.15)
IMAGES, SIDE = 8, 32
#: How the centre of a pixel depends on the source, where there is one.
SLOPE = 0.25


def best_guess(noisy: Tensor, sigma: Tensor | float) -> Tensor:
    """The mean of a pixel, given the pixel in noise of a level."""
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    likelihoods, means = [], []
    for weight, centre, width in zip(WEIGHTS, CENTRES, WIDTHS, strict=True):
        total = width**2 + sigma**2
        likelihoods.append(torch.log(weight / total.sqrt()) - (noisy - centre) ** 2 / (2 * total))
        means.append(centre + width**2 / total * (noisy - centre))
    shares = torch.stack(likelihoods).softmax(0)
    return (shares * torch.stack(means)).sum(0)


def edm_answer(process: Preconditioned) -> Predict:
    """F of Eq. 7, solved for."""

    def answer(states: Tensor, times: Tensor) -> Tensor:
        sigma = (4 * times.double()).exp().view(-1, 1, 1, 1)
        total = sigma**2 + 0.25
        noisy = states.double() * total.sqrt()
        return ((best_guess(noisy, sigma) - 0.25 / total * noisy) * total.sqrt() / (0.5 * sigma)).float()

    return answer


def flow_answer(process: StraightPath) -> Predict:
    def answer(states: Tensor, times: Tensor) -> Tensor:
        time = float(times) / 999
        states = states.double()
        if time == 0:
            image = torch.full_like(states, sum(w * c for w, c in zip(WEIGHTS, CENTRES, strict=True)))
        else:
            image = best_guess(states / time, (1 - time) / time)
        noise = (states - time * image) / (1 - time) if time < 1 else torch.zeros_like(states)
        return (image - noise).float()

    return answer


def ddpm_answer(process: NoisePrediction) -> Predict:
    def answer(states: Tensor, times: Tensor) -> Tensor:
        alpha = process.schedule.alphas_cumprod[times].double()
        image = best_guess(states.double() / alpha.sqrt(), (1 / alpha - 1).sqrt())
        return ((states - alpha.sqrt() * image) / (1 - alpha).sqrt()).float()

    return answer


def bridge_answer(process: BrownianBridge) -> Predict:
    def answer(states: Tensor, times: Tensor) -> Tensor:
        share, variance = process.shares[times], process.variances[times]
        source = source_of(states)
        seen = (states.double() - share * source) / (1 - share) - SLOPE * source
        return (states - SLOPE * source - best_guess(seen, variance.sqrt() / (1 - share))).float()

    return answer


def source_of(images: Tensor) -> Tensor:
    """A source that changes from column to column."""
    return torch.linspace(-0.8, 0.8, SIDE, dtype=torch.float64).expand(images.shape)


@dataclass(frozen=True)
class Case:
    make: Callable[[], Process]
    answer: Callable[..., Predict]
    sampler: str
    steps: int
    has_source: bool = False

    def pixels(self, fault: Callable[[Process], None] | None = None) -> Tensor:
        """What is sampled; of a bridge, without what the source explains."""
        process = self.make()
        answer = self.answer(self.make())
        if fault is not None:
            fault(process)
        draws = SeededDraws(torch.arange(IMAGES), torch.device("cpu"))
        noise = draws.normal((1, SIDE, SIDE))
        source = source_of(noise)
        start = source.float() if self.has_source else noise
        images = process.back(answer, start, draws, self.sampler, self.steps)
        return images.double() - SLOPE * source if self.has_source else images.double()


def moments(pixels: Tensor) -> dict[str, float]:
    mean = pixels.mean()
    return {
        "left": (pixels < -0.1).double().mean().item(),
        "mean": mean.item(),
        "variance": (pixels - mean).square().mean().item(),
        "skewness": ((pixels - mean) ** 3).mean().item(),
        "width of the right": pixels[pixels > -0.1].std().item(),
    }


def exact_moments() -> dict[str, float]:
    torch.manual_seed(0)
    left = torch.rand(1_000_000) < WEIGHTS[0]
    noise = torch.randn(1_000_000, dtype=torch.float64)
    return moments(torch.where(left, CENTRES[0] + WIDTHS[0] * noise, CENTRES[1] + WIDTHS[1] * noise))


def reproduces(pixels: Tensor) -> bool:
    """Within what 8192 pixels can show, and what so few steps can do."""
    found, exact = moments(pixels), exact_moments()
    return all(abs(found[name] - exact[name]) < 0.02 for name in exact)


CASES = {
    "edm, heun": Case(Preconditioned, edm_answer, "heun", 18),
    "edm, euler": Case(Preconditioned, edm_answer, "euler", 150),
    "flow, heun": Case(StraightPath, flow_answer, "heun", 18),
    "flow, euler": Case(StraightPath, flow_answer, "euler", 150),
    "ddpm, implicit": Case(NoisePrediction, ddpm_answer, "ddim", 100),
    "ddpm, ancestral": Case(NoisePrediction, ddpm_answer, "ddpm", 250),
    "bbdm": Case(BrownianBridge, bridge_answer, "stochastic", 200, has_source=True),
    "bbdm, half the variance": Case(
        lambda: BrownianBridge(variance=0.5), bridge_answer, "stochastic", 200, has_source=True
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_moments_of_a_mixture_come_out(case: Case) -> None:
    pixels = case.pixels()
    assert reproduces(pixels), (moments(pixels), exact_moments())


def wrong_skip(process: Preconditioned) -> None:
    right = process.scales
    process.scales = lambda sigma: Scales(*right(sigma)._replace(skip=right(sigma).skip * 0.8))


def too_little_noise(process: Preconditioned) -> None:
    process.sigma_max = 0.7


def backwards(process: StraightPath) -> None:
    right = process.back
    process.back = lambda predict, *rest: right(lambda states, times: predict(states, 999 - times), *rest)


def wrong_schedule(process: NoisePrediction) -> None:
    process._settings["beta_end"] = 0.01


def wrong_variance(process: BrownianBridge) -> None:
    process.variances = 0.5 * process.variances


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("edm, heun", wrong_skip),
        ("edm, heun", too_little_noise),
        ("flow, heun", backwards),
        ("ddpm, implicit", wrong_schedule),
        ("bbdm", wrong_variance),
    ],
)
def test_a_sampler_with_a_fault_does_not_pass(name: str, fault: Callable[[Process], None]) -> None:
    assert not reproduces(CASES[name].pixels(fault))
