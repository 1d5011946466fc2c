"""What sets the baselines apart from each other."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.unetgan import PixelScores
from harness_models.wgan import gradient_penalty
from torch import nn

from harness.api import Clock

# InfoGAN


def test_information_is_the_cross_entropy_of_the_category_and_the_error_of_the_codes(tinies) -> None:
    model = tinies["infogan"].build(categories=2, continuous=2, info_categorical=3.0, info_continuous=0.5)
    latents = torch.cat([torch.zeros(1, 62), torch.tensor([[0.0, 1.0, 0.5, -1.0]])], dim=1)
    outputs = torch.tensor([[9.0, math.log(1.0), math.log(3.0), 0.5, 1.0]])
    terms = model.information(outputs, latents)
    assert terms["category"].item() == pytest.approx(3.0 * math.log(4 / 3))
    assert terms["continuous"].item() == pytest.approx(0.5 * (0 + 4) / 2)


def test_infogan_without_continuous_codes_trains(tinies, train) -> None:
    losses = train(tinies["infogan"].build(continuous=0), tinies["infogan"].images(), steps=2)
    assert "generator/continuous" not in losses
    assert losses["generator/category"].isfinite()


# WGAN


def test_the_generator_moves_at_every_fifth_step(tinies, train) -> None:
    model, images = tinies["wgan"].build(), tinies["wgan"].images()
    weights = next(model.generator.parameters())
    for step in range(10):
        before = weights.clone()
        losses = train(model, images, steps=1, first_step=step)
        moves = step in (4, 9)
        assert ("generator" in losses) == moves
        assert torch.equal(before, weights) != moves


def test_the_critic_is_clipped_after_every_step(tinies, train) -> None:
    model = tinies["wgan"].build(clip=0.02, lr=0.1)
    train(model, tinies["wgan"].images(), steps=1)
    largest = max(parameter.abs().max().item() for parameter in model.discriminator.parameters())
    assert largest == pytest.approx(0.02)
    assert isinstance(model.optimizers()["generator"], torch.optim.RMSprop)


def test_the_gradient_penalty_takes_the_place_of_clipping(tinies, train) -> None:
    model = tinies["wgan, penalty"].build(clip=1e-6)
    losses = train(model, tinies["wgan, penalty"].images(), steps=1)
    assert losses["discriminator/penalty"] > 0
    assert max(parameter.abs().max() for parameter in model.discriminator.parameters()) > 1e-3
    assert isinstance(model.optimizers()["discriminator"], torch.optim.Adam)


def test_the_gradient_penalty_by_hand() -> None:
    # The slope of a linear critic is its weight: here of length 5, so (5 - 1)^2 everywhere.
    critic = nn.Sequential(nn.Flatten(), nn.Linear(2, 1))
    critic[1].weight.data = torch.tensor([[3.0, 4.0]])
    penalty = gradient_penalty(critic, torch.randn(6, 1, 1, 2), torch.randn(6, 1, 1, 2))
    assert penalty.item() == pytest.approx(16.0)
    penalty.backward()
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    torch.testing.assert_close(critic[1].weight.grad, torch.tensor([[2 * 4 * 3 / 5, 2 * 4 * 4 / 5]]))


# UNetGAN


@pytest.mark.parametrize(("epoch", "share"), [(0, 0.0), (50, 0.25), (100, 0.5), (900, 0.5)])
def test_the_share_of_steps_on_mixed_images_rises_over_the_warm_up(epoch, share, tinies) -> None:
    model = tinies["unetgan"].build(mix_warmup_epochs=100)
    taken = [model.mixes_at(Clock(step, epoch, 1000)) for step in range(1000, 1400)]
    assert sum(taken) == pytest.approx(400 * share, abs=1)


class TwoTone(nn.Module):
    """Scores every pixel by its own value, and the image by their sum."""

    def forward(self, images: torch.Tensor) -> PixelScores:
        return PixelScores(images.sum(dim=(1, 2, 3)), images)


def test_losses_on_mixed_images_by_hand(tinies) -> None:
    torch.manual_seed(0)
    model = tinies["unetgan"].build(consistency=2.0)
    model.discriminator = TwoTone()
    # Real pixels score 1 and generated ones -1: a mixed image scores 1 where the mask is 1, and -1 elsewhere.
    terms = model.mixed_losses(torch.ones(3, 1, 8, 8), -torch.ones(3, 1, 8, 8))
    assert terms["mixed_pixels"].item() == pytest.approx(math.log1p(math.exp(-1)))
    assert terms["consistency"].item() == pytest.approx(0.0, abs=1e-12)
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 65), SplitScores())
    terms = model.mixed_losses(torch.ones(3, 1, 8, 8), -torch.ones(3, 1, 8, 8))
    assert terms["consistency"].item() > 0, "a discriminator that looks at whole images is not consistent"
    terms["consistency"].backward()


class SplitScores(nn.Module):
    """64 + 1 numbers as scores of pixels and image."""

    def forward(self, numbers: torch.Tensor) -> PixelScores:
        return PixelScores(numbers[:, 64], numbers[:, :64].view(-1, 1, 8, 8))


def test_a_mixed_image_is_a_fake_image(tinies) -> None:
    model = tinies["unetgan"].build()
    model.discriminator = TwoTone()
    # All pixels are 1, whatever the mask: the image scores 64 as a fake, which costs 64.
    terms = model.mixed_losses(torch.ones(2, 1, 8, 8), torch.ones(2, 1, 8, 8))
    assert terms["mixed_image"].item() == pytest.approx(64.0)


def test_the_unet_judges_every_pixel(tinies) -> None:
    model = tinies["unetgan"].build()
    scores = model.discriminator(torch.zeros(2, 1, 32, 32))
    assert scores.image.shape == (2,)
    assert scores.pixels.shape == (2, 1, 32, 32)
