"""Every model learns a set of two images, in seconds.

The measure is the energy distance between samples and images, in units of what a generator that ignores
its noise can reach at best: whatever single image it makes, the measure is at least 1. So a value well
below 1 takes a generator that makes both images, each from its own noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from harness_models.dcgan import DCGAN
from harness_models.ddpm import DDPM
from harness_models.diffusion.model import DiffusionSynthesizer
from harness_models.edm import EDM
from harness_models.fastgan import FastGAN
from harness_models.flow import Flow
from harness_models.hagan import HAGAN
from harness_models.infogan import InfoGAN
from harness_models.ldm import LDM
from harness_models.r3gan import R3GAN
from harness_models.sagan import SAGAN
from harness_models.stylegan2_ada import StyleGAN2ADA
from harness_models.unetgan import UNetGAN
from harness_models.wgan import WGAN
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.api import Batch, Clock, ImageShape, Synthesizer

pytestmark = pytest.mark.minutes

LEARNT = 0.7


def two_images(side: int) -> Tensor:
    """A bright blob above left, and one below right: (2, 1, side, side)."""
    pixels = (torch.arange(side) + 0.5) / side
    rows, columns = pixels[:, None], pixels[None, :]
    blobs = [(-((rows - centre) ** 2 + (columns - centre) ** 2) * 18).exp() for centre in (0.28, 0.72)]
    return torch.stack(blobs)[:, None] * 2 - 1


def distance(samples: Tensor, images: Tensor) -> float:
    """Energy distance, over its least value for samples that are all the same."""
    samples, images = samples.flatten(1), images.flatten(1)
    within = torch.cdist(images, images).mean()
    energy = 2 * torch.cdist(samples, images).mean() - torch.cdist(samples, samples).mean() - within
    return (energy / within).item()


def learn(model: Synthesizer, steps: int, batch: int = 8) -> float:
    """Train and return the distance of 64 samples."""
    images = two_images(model.shape.height)
    model.train()
    for step in range(steps):
        clock = Clock(step=step, epoch=2 * step // steps, epochs=2)
        model.train_step(Batch(images[torch.randint(2, (batch,))]), clock)
    with torch.no_grad():
        return distance(model.eval().sample(torch.arange(64)), images)


def build(model: type[Synthesizer], settings: dict[str, Any], side: int = 32) -> Synthesizer:
    torch.manual_seed(0)
    return model(ImageShape(1, side, side), model.Config(**settings))


@pytest.mark.parametrize(
    ("model", "settings", "steps"),
    [
        (DCGAN, {"width": 64}, 200),
        (SAGAN, {"width": 64}, 200),
        (InfoGAN, {"width": 64}, 120),
        (WGAN, {}, 240),
        (UNetGAN, {"width": 64, "mix_warmup_epochs": 1}, 200),
        (HAGAN, {"width": 64, "warmup_epochs": 1}, 300),
    ],
)
def test_a_gan_learns(model, settings, steps) -> None:
    assert learn(build(model, settings), steps=0) > 1.5
    assert learn(build(model, settings), steps) < LEARNT


QUICK = {"level_channels": (32, 32), "lr": 4e-3}
DIFFUSION = {
    "ddpm": (
        DDPM,
        {
            "level_channels": (64, 64),
            "lr": 2e-3,
            "sampler": "ddpm",
            "sampling_steps": 25,
            "ema_decay": 0.95,
        },
        120,
    ),
    "edm": (EDM, {**QUICK, "blocks": 1, "sampling_steps": 8, "ema_half_life": 100}, 60),
    "flow": (Flow, {**QUICK, "blocks": 1, "sampling_steps": 8, "ema_decay": 0.95}, 60),
}
LATENT = {
    **QUICK,
    "autoencoder_channels": (16, 32),
    "autoencoder_blocks": 1,
    "lr_autoencoder": 4e-3,
    "blocks": 1,
    "ema_decay": 0.95,
    "sampling_steps": 10,
}
LATENT_STEPS = 160


@pytest.mark.parametrize("name", DIFFUSION)
def test_diffusion_learns(name: str) -> None:
    model, quick, steps = DIFFUSION[name]
    assert learn(build(model, quick, side=8), steps=0) > 1.5
    assert learn(build(model, quick, side=8), steps, batch=12) < LEARNT


def test_latent_diffusion_learns() -> None:
    assert learn(build(LDM, LATENT, side=8), steps=0) > 1.5
    assert learn(build(LDM, LATENT, side=8), LATENT_STEPS, batch=12) < LEARNT


def always_start_alike(model: DiffusionSynthesizer) -> None:
    right = model.process.back
    model.process.back = lambda predict, start, *rest: right(predict, torch.zeros_like(start), *rest)


def never_reconstruct(model: LDM) -> None:
    model._reconstruct = lambda images, clock: {}


@pytest.mark.parametrize("fault", [always_start_alike, never_reconstruct])
def test_broken_latent_diffusion_does_not_pass(fault: Callable[[LDM], None]) -> None:
    model = build(LDM, LATENT, side=8)
    fault(model)
    assert learn(model, LATENT_STEPS, batch=12) > 0.98


def stand_still(model: DiffusionSynthesizer) -> None:
    model.decay = lambda clock, count: 1.0


def answer_the_opposite(model: DiffusionSynthesizer) -> None:
    """At sampling alone, where a training can't make up for it."""
    right = model.process.back
    model.process.back = lambda predict, *rest: right(lambda *asked: -predict(*asked), *rest)


@pytest.mark.parametrize("fault", [stand_still, always_start_alike, answer_the_opposite])
@pytest.mark.parametrize("name", ["edm", "flow"])
def test_broken_diffusion_does_not_pass(name: str, fault: Callable[[DiffusionSynthesizer], None]) -> None:
    model, quick, steps = DIFFUSION[name]
    broken = build(model, quick, side=8)
    fault(broken)
    assert learn(broken, steps, batch=12) > 0.98


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), noise=st.floats(0, 1))
def test_samples_that_are_all_the_same_never_pass(seed: int, share: float, noise: float) -> None:
    first, second = images = two_images(16)
    torch.manual_seed(seed)
    image = share * first + (1 - share) * second + noise * torch.randn(1, 16, 16)
    assert distance(image.expand(8, 1, 16, 16), images) > 1 - 1e-4


def test_the_images_themselves_are_at_no_distance() -> None:
    assert distance(two_images(16).repeat(4, 1, 1, 1), two_images(16)) == pytest.approx(0, abs=1e-3)


def ignore_noise(model: DCGAN) -> None:
    draw = model.law.draw
    model.law.draw = lambda count, **options: torch.zeros_like(draw(count, **options))


def cut_discriminator(model: DCGAN) -> None:
    model.optimizers()["discriminator"].step = lambda: None


def cut_generator(model: DCGAN) -> None:
    model.discriminator.register_forward_pre_hook(lambda _, inputs: inputs[0].detach())


@pytest.mark.parametrize("fault", [ignore_noise, cut_discriminator])
def test_a_broken_gan_does_not_pass(fault: Callable[[DCGAN], None]) -> None:
    model = build(DCGAN, {"width": 64})
    fault(model)
    assert learn(model, steps=200) > 0.98


def test_a_discriminator_that_passes_no_gradient_on_teaches_nothing() -> None:
    model = build(DCGAN, {"width": 64})
    cut_generator(model)
    with pytest.raises(RuntimeError, match="grad"):
        learn(model, steps=1)


MODERN: dict[str, tuple[type[Synthesizer], dict[str, Any], int, int]] = {
    "fastgan": (FastGAN, {"width": 64, "lr": 1e-3}, 80, 8),
    "stylegan2-ada": (
        StyleGAN2ADA,
        {"width": 16, "style_dim": 32, "latent_dim": 32, "style_mixing": 0.0, "augment": "none"},
        80,
        8,
    ),
    "r3gan": (
        R3GAN,
        {"width": 16, "lr": 4e-3, "lr_end": 1e-3, "burn_in": 100, "gamma": 0.1, "augment": "none"},
        60,
        4,
    ),
}


@pytest.mark.parametrize("name", MODERN)
def test_a_gan_of_today_learns(name: str) -> None:
    model, settings, steps, batch = MODERN[name]
    assert learn(build(model, settings), steps=0) > 1.5
    assert learn(build(model, settings), steps, batch) < LEARNT


def never_average(model: Any) -> None:
    """The average that samples stays at the first weights."""
    model.decay = lambda clock, count: 1.0


def exchange_pairs(model: R3GAN) -> None:
    """The generator learns to make images that score below real ones."""
    right = model.judge
    model.judge = lambda *batches: right(*batches) if batches[0].requires_grad else right(*batches)[::-1]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("fastgan", cut_discriminator),
        ("stylegan2-ada", ignore_noise),
        ("stylegan2-ada", never_average),
        ("r3gan", exchange_pairs),
    ],
)
def test_a_broken_gan_of_today_does_not_pass(name: str, fault: Callable[[Any], None]) -> None:
    model, settings, steps, batch = MODERN[name]
    broken = build(model, settings)
    fault(broken)
    assert learn(broken, steps, batch) > 0.9
