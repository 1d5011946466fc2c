"""The step that all models take: learning rates by the clock, gradients of bounded length."""

from __future__ import annotations

import pytest
import torch
from harness_models.averaging import decay_at
from harness_models.optimizers import Descent, rate_factor
from harness_models.settings import AveragingConfig, DescentConfig
from torch import nn

from harness.api import Batch, Clock


def at(step: int = 0, epoch: int = 0, epochs: int = 200) -> Clock:
    return Clock(step=step, epoch=epoch, epochs=epochs)


def test_the_rate_rises_over_the_warm_up_by_hand() -> None:
    config = DescentConfig(lr_warmup=4)
    assert [rate_factor(config, at(step)) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]


def test_the_rate_falls_over_the_last_epochs_by_hand() -> None:
    # 100 epochs, then 100 more down to 1/101 of the rate, as in 1 - (epoch + 1 - 100) / 101.
    config = DescentConfig(lr_decay_from=0.5)
    found = [rate_factor(config, at(epoch=epoch)) for epoch in (0, 99, 100, 150, 199)]
    assert found == pytest.approx([1, 1, 100 / 101, 50 / 101, 1 / 101])


def test_by_default_the_rate_is_what_the_settings_say_for_ever() -> None:
    assert rate_factor(DescentConfig(), at(step=10**6, epoch=500, epochs=200)) == 1


def test_a_long_gradient_is_scaled_down_to_the_bound_and_a_short_one_kept() -> None:
    for bound, expected in ((1.0, [0.6, 0.8]), (10.0, [3.0, 4.0]), (None, [3.0, 4.0])):
        layer = nn.Linear(2, 1, bias=False)
        nn.init.zeros_(layer.weight)
        descent = Descent(
            {"layer": torch.optim.SGD(layer.parameters(), lr=1.0)}, DescentConfig(gradient_clip=bound)
        )
        descent.step("layer", layer(torch.tensor([[-3.0, -4.0]])).sum(), at())  # the gradient's length is 5
        assert layer.weight[0].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["sagan", "wgan", "hagan", "ddpm", "unet-l1", "pix2pix, reference"])
def test_every_model_warms_up_and_decays(name, tinies) -> None:
    model = tinies[name].build(lr_warmup=2, lr_decay_from=0.5)
    rates = {key: optimizer.param_groups[0]["lr"] for key, optimizer in model.optimizers().items()}
    images = tinies[name].images()
    for step, factor in ((0, 0), (1, 0.5), (4, 1), (5, 1)):
        model.train_step(Batch(images, source=-images), Clock(step, step // 4, 100))
        # WGAN's generator moves at every fifth step only.
        assert model.optimizers()[list(rates)[-1]].param_groups[0]["lr"] == rates[list(rates)[-1]] * factor
    model.train_step(Batch(images, source=-images), Clock(399, 99, 100))
    for key, rate in rates.items():
        assert model.optimizers()[key].param_groups[0]["lr"] == pytest.approx(rate / 51)


def test_a_resumed_training_goes_on_at_the_same_rate(tinies) -> None:
    first, images = tinies["sagan"].build(lr_warmup=100), tinies["sagan"].images()
    first.train_step(Batch(images), at(step=50))
    other = tinies["sagan"].build(lr_warmup=100)
    for name, optimizer in other.optimizers().items():
        optimizer.load_state_dict(first.optimizers()[name].state_dict())
    other.train_step(Batch(images), at(step=51))
    assert other.optimizers()["generator"].param_groups[0]["lr"] == pytest.approx(1e-3 * 0.51)


def test_decays_of_the_average_by_hand() -> None:
    late = AveragingConfig(ema_decay=0.9999, ema_start=21_000, ema_warmup=False)
    assert [decay_at(late, step) for step in (0, 20_999, 21_000)] == [0, 0, 0.9999]
    soon = AveragingConfig(ema_decay=0.9)
    assert [decay_at(soon, step) for step in (0, 8, 1000)] == [0.1, 0.5, 0.9]


def test_an_averaged_generator_samples_and_is_a_copy_before_its_start(tinies) -> None:
    model, images = (
        tinies["dcgan"].build(ema_decay=0.9, ema_start=2, ema_warmup=False),
        tinies["dcgan"].images(),
    )

    def distance() -> float:
        pairs = zip(model.average.parameters(), model.generator.parameters(), strict=True)
        return sum(float((a - b).detach().abs().sum()) for a, b in pairs)

    for step in range(2):
        model.train_step(Batch(images), at(step))
    assert distance() == 0
    model.train_step(Batch(images), at(2))
    assert distance() > 0
    with torch.no_grad():
        model.eval()
        before = model.sample(torch.arange(2))
        for parameter in model.generator.parameters():
            parameter.zero_()
        assert torch.equal(model.sample(torch.arange(2)), before)
