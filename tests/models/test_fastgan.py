"""FastGAN's parts: skip-layer excitation, the discriminator that draws again, and its losses."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.fastgan.discriminator import Reconstructions, quarter, shrunk
from harness_models.fastgan.excitation import Excitation, exciters
from harness_models.fastgan.model import soft_hinge
from harness_models.layers import doublings
from torch import nn

from harness.api import Batch, Clock


def test_excitation_by_hand() -> None:
    excitation = Excitation(1, 2)
    for layer, weight in zip((1, 3), (torch.ones(2, 1, 4, 4), torch.eye(2)[:, :, None, None]), strict=True):
        nn.utils.parametrize.remove_parametrizations(excitation.gate[layer], "weight")
        excitation.gate[layer].weight.data = weight / 16
    # A map of 8 px is averaged to 4 px; their sum over 16 is the mean, 2. Swish: 2 / (1 + e^-2); a 16th of it.
    small = torch.tensor([1.0, 3.0]).repeat(1, 1, 8, 4)
    gate = 1 / (1 + math.exp(-2 / (1 + math.exp(-2)) / 16))
    large = torch.arange(18.0).view(1, 2, 3, 3)
    torch.testing.assert_close(excitation(small, large), gate * large)


def test_excitation_has_the_shape_of_what_is_excited() -> None:
    assert Excitation(6, 4)(torch.zeros(2, 6, 16, 16), torch.ones(2, 4, 32, 32)).shape == (2, 4, 32, 32)


def test_the_last_maps_are_excited_by_the_published_ones_or_the_first() -> None:
    def generator(side: int) -> dict[int, int]:
        return exciters(doublings(side), lambda one: one // 16)

    assert generator(256) == {64: 4, 128: 8, 256: 16}, "as published"
    assert generator(64) == {16: 4, 32: 4, 64: 4}
    assert generator(32) == {8: 4, 16: 4, 32: 4}
    assert exciters((256, 128, 64, 32, 16, 8), lambda one: 8 * one) == {32: 256, 16: 128, 8: 64}, (
        "as published"
    )
    assert exciters((32, 16, 8), lambda one: 8 * one) == {16: 32, 8: 32}


def test_the_margins_of_the_hinge_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand_like", lambda scores: torch.full_like(scores, 0.5))
    assert soft_hinge(torch.tensor([2.0, 0.0, -1.0])).item() == pytest.approx((0 + 0.9 + 1.9) / 3)


def test_margins_lie_between_08_and_1() -> None:
    losses = torch.stack([soft_hinge(torch.zeros(1)) for _ in range(300)])
    assert 0.8 <= losses.min() < 0.81
    assert 0.99 < losses.max() <= 1


def test_quadrants_go_row_by_row() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert [quarter(image, quadrant)[0, 0, 0, 0].item() for quadrant in range(4)] == [0, 2, 8, 10]
    assert quarter(image, 3)[0, 0].tolist() == [[10, 11], [14, 15]]


def test_reconstructions_are_compared_with_what_they_show(tinies) -> None:
    model, real = tinies["fastgan"].build(), tinies["fastgan"].images()
    small, part = shrunk(real), quarter(real, 2)
    model.discriminator.reconstruct = lambda judged, quadrant: Reconstructions(small, part + 0.25, small)
    judged = model.discriminator(real, small)
    assert model.reconstruction_error(real, judged, quadrant=2).item() == pytest.approx(0.25)
    assert model.reconstruction_error(real, judged, quadrant=1).item() > 0.3


def test_every_quadrant_takes_its_turn(tinies, monkeypatch) -> None:
    tiny = tinies["fastgan"]
    model, seen = tiny.build(), []
    right = model.discriminator.reconstruct
    monkeypatch.setattr(
        model.discriminator,
        "reconstruct",
        lambda judged, quadrant: (seen.append(quadrant), right(judged, quadrant))[1],
    )
    for step in range(5):
        model.train_step(Batch(tiny.images(2)), Clock(step, 0, 1))
    assert seen == [0, 1, 2, 3, 0]


def test_reconstructions_teach_what_judges(tinies) -> None:
    model, real = tinies["fastgan"].build(reconstruction=2.0), tinies["fastgan"].images()
    fake = model.generate(Batch(real), needs_gradient=False)
    terms = model.discriminator_losses(real, fake, Clock(0, 0, 1))
    terms["reconstruction"].backward()
    assert model.discriminator.halvings[0].main[0].parametrizations.weight.original.grad.abs().sum() > 0
    assert all(drawn.abs().max() <= 1 for drawn in model.discriminator.reconstruct(
        model.discriminator(real, shrunk(real)), 0
    ))  # fmt: skip


def test_the_record_says_how_reconstructions_are_compared(tinies) -> None:
    last = Clock(9, 9, 10)
    assert any("absolute error" in caveat for caveat in tinies["fastgan"].build().caveats(last))
    assert tinies["fastgan"].build(reconstruction=0).caveats(last) == ()


def test_noise_of_the_maps_is_new_in_training_and_of_the_seed_in_samples(tinies) -> None:
    model = tinies["fastgan"].build()
    for name, parameter in model.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(1.0)
    model.eval()
    latents = torch.zeros(1, model.law.dimension)
    with torch.no_grad():
        assert not torch.equal(model.generator(latents).image, model.generator(latents).image)
        torch.testing.assert_close(model.sample(torch.arange(2))[1:], model.sample(torch.tensor([1])))
