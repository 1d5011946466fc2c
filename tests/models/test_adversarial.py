"""The adversarial step that all GANs share, and its losses."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from harness_models.adversarial import Fake, frozen
from harness_models.layers import Discriminator
from harness_models.losses import CROSS_ENTROPY, HINGE, WASSERSTEIN, squared_error
from torch import nn

from harness.api import Batch, Clock

CLOCK = Clock(step=0, epoch=0, epochs=1)
SCORES = torch.tensor([2.0, 0.0, -1.0])


@pytest.mark.parametrize(
    ("loss", "real", "fake", "generator"),
    [
        (HINGE, (0 + 1 + 2) / 3, (3 + 1 + 0) / 3, -1 / 3),
        (WASSERSTEIN, -1 / 3, 1 / 3, -1 / 3),
        (
            CROSS_ENTROPY,
            -sum(math.log(1 / (1 + math.exp(-s))) for s in (2, 0, -1)) / 3,
            -sum(math.log(1 - 1 / (1 + math.exp(-s))) for s in (2, 0, -1)) / 3,
            -sum(math.log(1 / (1 + math.exp(-s))) for s in (2, 0, -1)) / 3,
        ),
    ],
)
def test_losses_by_hand(loss, real, fake, generator) -> None:
    assert loss.real(SCORES).item() == pytest.approx(real)
    assert loss.fake(SCORES).item() == pytest.approx(fake)
    assert loss.generator(SCORES).item() == pytest.approx(generator)


def test_squared_error_by_hand() -> None:
    assert squared_error(SCORES, 1.0).item() == pytest.approx((1 + 1 + 4) / 3)


@pytest.mark.parametrize(
    "name", ["dcgan", "infogan", "wgan", "unetgan", "fastgan", "r3gan", "stylegan2-ada", "hagan"]
)
def test_the_discriminators_losses_do_not_reach_the_generator(name, tinies) -> None:
    model, real = tinies[name].build(), tinies[name].images()
    fake = model.generate(Batch(real), needs_gradient=True)
    sum(model.discriminator_losses(real, fake, CLOCK).values()).backward()
    assert all(parameter.grad is None for parameter in model.generator.parameters())
    assert all(parameter.grad is not None for parameter in model.discriminator.parameters())


@pytest.mark.parametrize(
    "name", ["dcgan", "infogan", "wgan", "unetgan", "fastgan", "r3gan", "stylegan2-ada", "hagan"]
)
def test_the_generators_losses_reach_the_generator_through_the_discriminator_alone(name, tinies) -> None:
    model, real = tinies[name].build(), tinies[name].images()
    fake = model.generate(Batch(real), needs_gradient=True)
    with frozen(model.discriminator):
        sum(model.generator_losses(real, fake, CLOCK).values()).backward()
    assert all(parameter.grad is not None for parameter in model.generator.parameters())
    assert all(parameter.grad is None for parameter in model.discriminator.parameters())


def test_a_frozen_network_passes_gradients_on_and_thaws() -> None:
    network = nn.Linear(3, 1)
    network.bias.requires_grad_(False)
    inputs = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="stop"), frozen(network):
        network(inputs).sum().backward()
        raise RuntimeError("stop")
    assert inputs.grad is not None
    assert network.weight.grad is None
    assert network.weight.requires_grad
    assert not network.bias.requires_grad, "what was frozen before stays so"


def test_one_pass_over_several_batches_equals_several(tinies) -> None:
    model = tinies["sagan"].build().eval()
    batches = torch.randn(2, 3, 1, 32, 32)
    for together, batch in zip(model.judge(*batches), batches, strict=True):
        torch.testing.assert_close(together, model.discriminator(batch))


def test_batch_statistics_of_real_and_fake_images_are_kept_apart(tinies) -> None:
    model = tinies["infogan"].build()
    bright, dark = torch.ones(4, 1, 32, 32), -torch.ones(4, 1, 32, 32)
    expected = copy.deepcopy(model.discriminator)(bright)
    torch.testing.assert_close(model.judge(bright, dark)[0], expected)
    assert isinstance(model.discriminator, Discriminator)


def test_a_learning_rate_of_its_own_for_the_discriminator(tinies) -> None:
    optimizers = tinies["sagan"].build(lr=1e-4, lr_discriminator=4e-4).optimizers()
    assert optimizers["generator"].param_groups[0]["lr"] == 1e-4
    assert optimizers["discriminator"].param_groups[0]["lr"] == 4e-4


def test_logged_terms_add_up(tinies, train) -> None:
    losses = train(tinies["unetgan"].build(), tinies["unetgan"].images(), steps=3)
    for name in ("generator", "discriminator"):
        terms = [value for key, value in losses.items() if key.startswith(f"{name}/")]
        assert len(terms) > 1
        torch.testing.assert_close(torch.stack(terms).sum(), losses[name])


def test_fakes_keep_their_latents(tinies) -> None:
    model = tinies["infogan"].build()
    fake = model.generate(Batch(torch.zeros(3, 1, 32, 32)), needs_gradient=False)
    assert isinstance(fake, Fake)
    assert not fake.images.requires_grad
    assert fake.inputs.shape == (3, model.law.dimension)
