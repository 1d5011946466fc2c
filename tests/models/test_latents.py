"""Random inputs of generators."""

from __future__ import annotations

import pytest
import torch
from harness_models.infogan import CodedLaw
from harness_models.latents import NoiseLaw, SeededDraws, latent_dimension

from harness.api import ImageShape

CPU = torch.device("cpu")


@pytest.mark.parametrize(("side", "dimension"), [(32, 100), (64, 100), (128, 1000), (256, 1000)])
def test_the_published_lengths_of_the_noise(side: int, dimension: int) -> None:
    shape = ImageShape(3, side, side)
    assert latent_dimension(None, shape) == dimension
    assert latent_dimension(7, shape) == 7


def test_uniform_noise_fills_minus_one_to_one() -> None:
    torch.manual_seed(0)
    noise = NoiseLaw(100, "uniform").draw(200)
    assert noise.shape == (200, 100)
    assert -1 <= noise.min() < -0.99
    assert 0.99 < noise.max() <= 1
    assert noise.std().item() == pytest.approx(1 / 3**0.5, abs=0.01)


def test_normal_noise_has_unit_deviation() -> None:
    torch.manual_seed(0)
    assert NoiseLaw(100, "normal").draw(200).std().item() == pytest.approx(1, abs=0.02)


def test_seeded_noise_follows_the_seed_and_not_the_global_generator() -> None:
    law = NoiseLaw(5, "uniform")
    torch.manual_seed(0)
    first = law.seeded(SeededDraws(torch.tensor([3, 4]), CPU))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    second = law.seeded(SeededDraws(torch.tensor([4, 3, 5]), CPU))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first[0], second[1])
    assert torch.equal(first[1], second[0])


def test_a_stream_goes_on_where_it_stopped() -> None:
    draws = SeededDraws(torch.tensor([3]), CPU)
    assert not torch.equal(draws.normal((4,)), draws.normal((4,)))


def test_codes_of_infogan() -> None:
    torch.manual_seed(0)
    law = CodedLaw(62, "uniform", categories=10, continuous=2)
    latents = law.draw(500)
    assert latents.shape == (500, law.dimension) == (500, 74)
    one_hot, codes = law.split(latents)
    assert torch.equal(one_hot.sum(dim=1), torch.ones(500))
    assert set(one_hot.unique().tolist()) == {0.0, 1.0}
    assert (one_hot.sum(dim=0) > 20).all(), "some category is hardly drawn"
    assert codes.abs().max() <= 1
    assert codes.min() < -0.9
