"""Diffusion's equations, with numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.averaging import decay_of_half_life
from harness_models.diffusion.bridge import BrownianBridge
from harness_models.diffusion.preconditioned import Preconditioned
from harness_models.diffusion.straight import StraightPath
from harness_models.latents import seeds_of
from torch import Tensor

IMAGE = torch.tensor([0.5, -1.0]).view(1, 1, 1, 2)
OTHER = torch.tensor([-0.25, 1.0]).view(1, 1, 1, 2)


class Asked:
    """Answers with one value, and remembers what it was asked."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, states: Tensor, times: Tensor) -> Tensor:
        self.states, self.times = states, times
        return torch.full_like(states, self.value)


# EDM


def test_the_scales_around_the_network_by_hand() -> None:
    # sigma 1.2 and sigma_data 0.5: together 1.3.
    scales = Preconditioned().scales(torch.tensor(1.2))
    assert scales.skip.item() == pytest.approx(0.25 / 1.69)
    assert scales.out.item() == pytest.approx(1.2 * 0.5 / 1.3)
    assert scales.into.item() == pytest.approx(1 / 1.3)
    assert scales.noise.item() == pytest.approx(math.log(1.2) / 4)


@pytest.mark.parametrize("sigma", [0.002, 0.3, 80.0])
def test_the_network_sees_and_is_asked_for_unit_variance(sigma: float) -> None:
    scales = Preconditioned(sigma_data=0.7).scales(torch.tensor(sigma, dtype=torch.float64))
    assert scales.into.item() ** 2 * (0.7**2 + sigma**2) == pytest.approx(1)
    # (y - c_skip (y + n)) / c_out, of independent y and n.
    target = (1 - scales.skip) ** 2 * 0.7**2 + scales.skip**2 * sigma**2
    assert (target / scales.out**2).item() == pytest.approx(1)


def test_a_denoised_image_by_hand() -> None:
    network = Asked(2.0)
    found = Preconditioned().denoised(network, IMAGE, torch.tensor([1.2]))
    torch.testing.assert_close(found, IMAGE * 0.25 / 1.69 + 2.0 * 0.6 / 1.3)
    torch.testing.assert_close(network.states, IMAGE / 1.3)
    assert network.times.tolist() == pytest.approx([math.log(1.2) / 4])


def test_the_loss_of_edm_by_hand() -> None:
    # With no deviation every sigma is exp(mean); the network says 0, so that D is c_skip times its input.
    process = Preconditioned(mean=math.log(1.2), deviation=0.0)
    loss = process.loss(Asked(0.0), IMAGE, OTHER)
    noisy = [0.5 - 0.25 * 1.2, -1.0 + 1.2]
    errors = [0.25 / 1.69 * noisy[0] - 0.5, 0.25 / 1.69 * noisy[1] + 1.0]
    weight = 1.69 / 0.6**2
    assert loss.item() == pytest.approx(weight * (errors[0] ** 2 + errors[1] ** 2) / 2, rel=1e-5)


def test_the_noise_of_edm_is_log_normal() -> None:
    torch.manual_seed(3)
    network = Asked(0.0)
    Preconditioned().loss(network, torch.zeros(20_000, 1, 1, 1), torch.zeros(20_000, 1, 1, 1))
    logs = 4 * network.times
    assert logs.mean().item() == pytest.approx(-1.2, abs=0.05)
    assert logs.std().item() == pytest.approx(1.2, abs=0.05)


def test_noise_levels_by_hand() -> None:
    levels = Preconditioned(sigma_min=1.0, sigma_max=128.0, rho=7.0).levels(3)
    # The seventh roots are 2, 1.5 and 1.
    assert levels == pytest.approx([128.0, 1.5**7, 1.0, 0.0])
    assert Preconditioned().levels(1) == pytest.approx([80.0, 0.0])


def test_heun_takes_35_evaluations_for_18_steps() -> None:
    counts = {}
    for sampler in ("euler", "heun"):
        calls = []
        Preconditioned().back(
            lambda states, times, calls=calls: calls.append(times) or states, IMAGE, None, sampler, 18
        )
        counts[sampler] = len(calls)
    assert counts == {"euler": 18, "heun": 35}


def test_the_half_life_of_the_average() -> None:
    # 10 steps of 50 images are a half-life of 500.
    assert decay_of_half_life(500, 0.05, 50, 1_000_000) ** 10 == pytest.approx(0.5)
    # 2,000 images so far, of which 5 % are 100: two steps.
    assert decay_of_half_life(500, 0.05, 50, 40) ** 2 == pytest.approx(0.5)
    assert decay_of_half_life(500, 0.05, 50, 0) == 0


# Rectified flow


def test_the_loss_of_a_straight_path_by_hand() -> None:
    path = StraightPath(mean=math.log(3.0), deviation=1e-9)  # every time is 3/4
    network = Asked(0.5)
    loss = path.loss(network, IMAGE, OTHER)
    assert network.times.tolist() == pytest.approx([999 * 0.75])
    torch.testing.assert_close(network.states, 0.75 * IMAGE + 0.25 * OTHER)
    # Velocities 0.75 and -2, where the network says 0.5.
    assert loss.item() == pytest.approx((0.25**2 + 2.5**2) / 2)


def test_logit_normal_times() -> None:
    torch.manual_seed(4)
    times = StraightPath(mean=0.5, deviation=2.0).draw_times(40_000, torch.device("cpu"))
    logits = times.logit()
    assert logits.mean().item() == pytest.approx(0.5, abs=0.05)
    assert logits.std().item() == pytest.approx(2.0, abs=0.05)
    uniform = StraightPath(law="uniform").draw_times(40_000, torch.device("cpu"))
    assert uniform.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist() == pytest.approx(
        [0.1, 0.5, 0.9], abs=0.02
    )


@pytest.mark.parametrize(("sampler", "error"), [("euler", 0.1), ("heun", 0.002)])
def test_ways_along_a_velocity_of_known_path(sampler: str, error: float) -> None:
    # dx/dt = x, so x(1) = e x(0).
    found = StraightPath().back(lambda states, _: states, IMAGE, None, sampler, 20)
    assert (found / IMAGE - math.e).abs().max() < error


# The Brownian bridge


def test_the_variance_of_the_bridge_by_hand() -> None:
    bridge = BrownianBridge()
    for time, share in ((0, 0.001), (999, 0.999)):
        assert bridge.shares[time].item() == pytest.approx(share)
        assert bridge.variances[time].item() == pytest.approx(2 * (0.001 - 0.001**2))
    assert bridge.variances.max().item() == pytest.approx(0.5, abs=1e-6)
    assert BrownianBridge(variance=0.5).variances.max().item() == pytest.approx(0.25, abs=1e-6)


def test_the_loss_of_the_bridge_by_hand() -> None:
    bridge = BrownianBridge(variance=0.0)  # without noise, what is added is m_t (y - x_0)
    network = Asked(0.0)
    torch.manual_seed(0)
    loss = bridge.loss(network, IMAGE, OTHER)
    share = 0.001 + network.times.item() * 0.998 / 999
    torch.testing.assert_close(network.states, (1 - share) * IMAGE + share * OTHER)
    assert loss.item() == pytest.approx(share * (0.75 + 2.0) / 2, rel=1e-5)


@pytest.mark.parametrize(("now", "then"), [(999, 994), (500, 499), (3, 1)])
def test_a_step_of_the_bridge_keeps_its_variance(now: int, then: int) -> None:
    """Two variances of x_then, given x_0 and y: of the process itself, and of a step from x_now."""
    bridge = BrownianBridge()
    drawn = bridge.step_variance(now, then)
    kept = (bridge.variances[then] - drawn) / bridge.variances[now]
    assert (kept * bridge.variances[now] + drawn).item() == pytest.approx(bridge.variances[then].item())
    # A Brownian bridge is Markov: the covariance of x_now and x_then is delta_then (1 - m_now) / (1 - m_then).
    ratio = (1 - bridge.shares[now]) / (1 - bridge.shares[then])
    covariance = bridge.variances[then] * ratio
    assert kept.sqrt().item() == pytest.approx((covariance / bridge.variances[now]).item())


def test_the_times_of_sampling_the_bridge() -> None:
    bridge = BrownianBridge()
    assert bridge.steps(4) == [999, 499, 1, 0]
    times = bridge.steps(200)
    assert len(times) == 200
    assert times[:3] == [999, 993, 988]
    assert times[-3:] == [5, 1, 0]


def test_equal_images_have_equal_seeds_and_no_others() -> None:
    first, second, third = seeds_of(torch.cat([IMAGE, OTHER, IMAGE])).tolist()
    assert first == third != second
