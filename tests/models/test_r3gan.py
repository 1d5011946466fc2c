"""R3GAN's losses and schedules, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.penalties import squared_slopes
from harness_models.r3gan import R3GAN
from harness_models.r3gan.model import pairing
from harness_models.r3gan.networks import Residual
from harness_models.r3gan.schedule import along
from harness_models.resampling import doubled, halved, lowpass
from torch import nn

from harness.api import Batch, Clock, ImageShape

FIRST = Clock(0, 0, 1)


def test_the_relativistic_pairing_loss_by_hand() -> None:
    above, below = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 3.0])
    # -log sigmoid(1) and -log sigmoid(-3)
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(3))) / 2
    assert pairing(above, below).item() == pytest.approx(expected)
    assert pairing(above + 5, below + 5).item() == pytest.approx(expected), "only differences count"


class Weighted(nn.Module):
    """Scores 3 times the first pixel plus 4 times the square of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 4.0]))

    def forward(self, images):
        first, second = images.flatten(1)[:, :2].unbind(1)
        return self.weight[0] * first + self.weight[1] * second**2


def test_slopes_by_hand() -> None:
    judge = Weighted()
    images = torch.tensor([[0.0, 0.5], [1.0, 1.0]]).view(2, 1, 1, 2).requires_grad_()
    (slopes,) = squared_slopes(judge(images), [images])
    # The slope is (3, 8 x): 9 + 16 and 9 + 64.
    torch.testing.assert_close(slopes, torch.tensor([25.0, 73.0]))
    slopes.mean().backward()
    # d/dw of the mean of w1^2 + 4 w2^2 x^2: 2 w1, and 8 w2 (0.25 + 1) / 2.
    torch.testing.assert_close(judge.weight.grad, torch.tensor([6.0, 20.0]))


def test_both_penalties_are_half_the_squared_slope_times_gamma(tinies) -> None:
    model = tinies["r3gan"].build(gamma=0.5, augment="none")
    model.discriminator = Weighted()
    real = torch.full((2, 3, 32, 32), 0.5)
    fake = model.generate(Batch(real), needs_gradient=False)
    fake = type(fake)(torch.ones_like(real), fake.inputs)
    terms = model.discriminator_losses(real, fake, FIRST)
    assert terms["r1"].item() == pytest.approx(0.25 * (9 + 16))
    assert terms["r2"].item() == pytest.approx(0.25 * (9 + 64))
    # Real images score 1.5 + 1, generated ones 3 + 4.
    assert terms["pairing"].item() == pytest.approx(math.log(1 + math.exp(4.5)))


def test_penalties_reach_through_the_pipeline(tinies) -> None:
    model = tinies["r3gan"].build(pipeline_end=1.0, gamma=1.0)
    real = tinies["r3gan"].images()
    fake = model.generate(Batch(real), needs_gradient=False)
    terms = model.discriminator_losses(real, fake, Clock(9, 0, 1))
    (terms["r1"] + terms["r2"]).backward()
    assert model.discriminator.from_image.weight.grad.abs().sum() > 0


def test_schedules_follow_half_a_cosine() -> None:
    found = [along(2.0, 0.2, progress) for progress in (0, 0.25, 0.5, 1, 3)]
    assert found == pytest.approx([2, 1.1 + 0.9 * math.sqrt(0.5), 1.1, 0.2, 0.2])


def test_everything_reaches_its_last_value_with_the_burn_in(tinies) -> None:
    model = tinies["r3gan"].build(burn_in=10, lr=4e-4, lr_end=1e-4)
    images = tinies["r3gan"].images()
    for step, rate, beta in ((0, 4e-4, 0.9), (5, 2.5e-4, 0.945), (10, 1e-4, 0.99), (99, 1e-4, 0.99)):
        model.train_step(Batch(images), Clock(step, 0, 1))
        for optimizer in model.optimizers().values():
            assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)
            assert optimizer.param_groups[0]["betas"] == pytest.approx((0.0, beta))
    assert model.decay(FIRST, 4) == 0
    # A fortieth of 10 steps of 4 images is 1 image: four times half.
    assert model.decay(Clock(50, 0, 1), 4) == pytest.approx(0.5**4)


def test_the_weight_of_penalties_is_published_by_side() -> None:
    with torch.device("meta"):
        gammas = [R3GAN(ImageShape(1, side, side), R3GAN.Config(width=16)).gamma for side in (32, 64, 256)]
    assert gammas == [0.05, 2.0, 150.0]


def test_blocks_begin_as_the_identity_and_their_inner_weights_shrink_with_depth() -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 32, 8, 8)
    block = Residual(32, depth=16)
    assert torch.equal(block(maps), maps)
    assert block.look.groups == 4
    # sqrt(2 / 1.04) / 16^(1/4) over the root of 16 channels of 9 places.
    assert block.look.weight.std().item() == pytest.approx(math.sqrt(2 / 1.04) / 2 / 12, rel=0.05)


def test_resampling_by_hand() -> None:
    kernel = lowpass()
    one = torch.zeros(1, 1, 4, 4)
    one[0, 0, 1, 1] = 1.0
    # Times 4 to keep the mean: 1/4, 3/4, 3/4, 1/4 along each axis.
    line = torch.tensor([0.0, 0.25, 0.75, 0.75, 0.25, 0.0, 0.0, 0.0])
    torch.testing.assert_close(doubled(one, kernel)[0, 0], torch.outer(line, line))
    torch.testing.assert_close(halved(one, kernel)[0, 0, 0], torch.tensor([9.0, 3.0]) / 64)
    flat = torch.full((1, 2, 8, 8), 5.0)
    torch.testing.assert_close(doubled(flat, kernel)[..., 1:-1, 1:-1], torch.full((1, 2, 14, 14), 5.0))
    torch.testing.assert_close(halved(flat, kernel)[..., 1:-1, 1:-1], torch.full((1, 2, 2, 2), 5.0))
