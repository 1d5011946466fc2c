"""The translators: their losses by hand, who learns from what, and that they learn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from harness_models.duald import ABLATION, DualD
from harness_models.judges import GlobalDiscriminator, LocalDiscriminator, PatchDiscriminator
from harness_models.losses import absolute_error, gradient_difference
from harness_models.pix2pix import Pix2Pix
from harness_models.translation import UNetTranslator
from harness_models.unet import ResidualUNet
from harness_models.unet_l1 import UNetL1
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape, SpecError

SHAPE = ImageShape(1, 32, 32)
CLOCK = Clock(step=0, epoch=0, epochs=1)


def build(model: type[UNetTranslator], shape: ImageShape = SHAPE, **settings: Any) -> UNetTranslator:
    torch.manual_seed(0)
    return model(shape, model.Config(**{"width": 16, **settings}))


def grid(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]


def random_batch(seed: int, count: int = 3) -> Batch:
    stream = torch.Generator().manual_seed(seed)
    source, target = torch.rand(2, count, 1, 32, 32, generator=stream) * 2 - 1
    return Batch(target, source)


def has_gradient(network: nn.Module) -> set[bool]:
    return {parameter.grad is not None for parameter in network.parameters()}


# Losses by hand

#: Confidences 1/2, 1/4, 3/4 and 0.9 of the local discriminator, as the scores that it gives.
CONFIDENCE = grid([0.5, 0.25], [0.75, 0.9])
SCORES = {"local": CONFIDENCE.logit()}
TARGET = grid([1.0, 0.0], [-1.0, 0.5])
TRANSLATED = grid([0.5, 0.4], [-1.0, -0.5])  # errors 0.5, 0.4, 0 and 1


def test_the_error_is_weighted_by_the_squared_lack_of_confidence() -> None:
    terms = build(DualD, gradient_weight=0.0).errors(TARGET, TRANSLATED, SCORES)
    expected = (0.5 * (1 + 0.5**2) + 0.4 * (1 + 0.75**2) + 0 + 1 * (1 + 0.1**2)) / 4
    assert terms["l1"].item() == pytest.approx(expected)
    assert terms.keys() == {"l1"}


def test_the_attentions_weight_and_exponent_are_settings() -> None:
    terms = build(DualD, attention=3.0, attention_exponent=1.0).errors(TARGET, TRANSLATED, SCORES)
    expected = (0.5 * (1 + 3 * 0.5) + 0.4 * (1 + 3 * 0.75) + 0 + 1 * (1 + 3 * 0.1)) / 4
    assert terms["l1"].item() == pytest.approx(expected)


def test_the_gradient_of_the_error_takes_the_confidence_for_granted() -> None:
    images = TRANSLATED.clone().requires_grad_()
    scores = SCORES["local"].clone().requires_grad_()
    build(DualD, gradient_weight=0.0).errors(TARGET, images, {"local": scores})["l1"].backward()
    # The sign of each error times its weight over the number of pixels; 0 where there is no error.
    expected = grid([-1.25, 1.5625], [0.0, -1.01]) / 4
    torch.testing.assert_close(images.grad, expected)
    assert scores.grad is None


def test_the_weight_is_the_same_for_all_channels() -> None:
    weight = 1 + grid([0.0, 1.0])
    error = absolute_error(torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2), weight)
    assert error.item() == pytest.approx(1.5)


def test_the_gradient_difference_by_hand() -> None:
    image, target = grid([0.0, 1.0], [0.5, -0.5]), grid([0.0, 0.5], [0.5, 0.5])
    vertical = (abs(0.5 - 0.5) + abs(1.5 - 0.0)) / 2
    horizontal = (abs(1.0 - 0.5) + abs(1.0 - 0.0)) / 2
    assert gradient_difference(image, target).item() == pytest.approx(vertical + horizontal)
    squared = 1.5**2 / 2 + (0.5**2 + 1.0**2) / 2
    assert gradient_difference(image, target, power=2.0).item() == pytest.approx(squared)
    # Neither a shift of grey levels nor their negative changes how steep the edges are.
    assert gradient_difference(image + 0.3, image).item() == pytest.approx(0, abs=1e-6)
    assert gradient_difference(-image, image).item() == pytest.approx(0, abs=1e-6)


class SaysOf(nn.Module):
    """Scores the mean of a pair's image, its last channel: whole, or pixel by pixel."""

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        image = pairs[:, -1:]
        return {"global": image.mean(dim=(2, 3)), "local": image}


def test_all_terms_of_dual_adversarial_learning_by_hand() -> None:
    model = build(DualD)
    model.discriminator = SaysOf()
    batch = Batch(torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, 1, 2, 2))
    model.generator = nn.Conv2d(1, 1, 1)
    nn.init.constant_(model.generator.bias, -0.25)
    fake = model.generate(batch, needs_gradient=True)

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    terms = model.discriminator_losses(batch.images, fake, CLOCK)
    assert {name: value.item() for name, value in terms.items()} == {
        "global_real": pytest.approx(softplus(-0.5)),
        "global_fake": pytest.approx(softplus(-0.25)),
        "local_real": pytest.approx(softplus(-0.5)),
        "local_fake": pytest.approx(softplus(-0.25)),
    }
    confidence = 1 / (1 + math.exp(0.25))
    terms = model.generator_losses(batch.images, fake, CLOCK)
    assert {name: value.item() for name, value in terms.items()} == {
        "l1": pytest.approx(0.75 * (1 + (1 - confidence) ** 2)),
        "gradient": 0.0,
        "global": pytest.approx(0.05 * softplus(0.25)),
        "local": pytest.approx(0.05 * softplus(0.25)),
    }


def test_pix2pix_weighs_the_error_by_100() -> None:
    model = build(Pix2Pix)
    batch = random_batch(1)
    fake = model.generate(batch, needs_gradient=True)
    terms = model.generator_losses(batch.images, fake, CLOCK)
    error = (fake.images - batch.images).abs().mean().item()
    assert terms["l1"].item() == pytest.approx(100 * error, rel=1e-5)
    scores = model.discriminator(torch.cat([batch.source, fake.images], dim=1))["patch"]
    assert terms["patch"].item() == pytest.approx(-scores.sigmoid().log().mean().item(), rel=1e-5)


# Who learns from what


def test_the_weights_confidence_sends_no_gradient_into_the_local_discriminator() -> None:
    model = build(DualD, local_weight=0.0, global_weight=0.0)
    batch = random_batch(1)
    fake = model.generate(batch, needs_gradient=True)
    scores = model.discriminator(torch.cat([batch.source, fake.images], dim=1))
    model.errors(batch.images, fake.images, scores)["l1"].backward()
    assert has_gradient(model.generator) == {True}
    assert has_gradient(model.discriminator) == {False}


@pytest.mark.parametrize("name", ["global", "local"])
def test_each_discriminator_learns_from_its_own_losses_alone(name) -> None:
    model = build(DualD)
    batch = random_batch(1)
    fake = model.generate(batch, needs_gradient=True)
    terms = model.discriminator_losses(batch.images, fake, CLOCK)
    assert len(terms) == 4
    sum(value for term, value in terms.items() if term.startswith(name)).backward()
    for other, judge in model.discriminator.items():
        assert has_gradient(judge) == {other == name}
    assert has_gradient(model.generator) == {False}


@pytest.mark.parametrize("name", ["global", "local"])
def test_the_generator_learns_through_each_discriminator(name) -> None:
    model = build(DualD)
    batch = random_batch(1)
    fake = model.generate(batch, needs_gradient=True)
    model.generator_losses(batch.images, fake, CLOCK)[name].backward()
    gradients = [parameter.grad for parameter in model.generator.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("model", [DualD, Pix2Pix])
def test_a_discriminator_sees_the_source(model) -> None:
    judges = build(model).discriminator
    (source, image), (other, _) = random_batch(1)[::-1], random_batch(2)[::-1]
    with torch.no_grad():
        here, there = (judges(torch.cat([given, image], dim=1)) for given in (source, other))
    for name, scores in here.items():
        assert not torch.allclose(scores, there[name]), name


# The ablation


def steps(model: UNetTranslator, count: int = 4) -> Iterator[Mapping[str, float]]:
    model.train()
    for step in range(count):
        losses = model.train_step(random_batch(step), Clock(step, 0, 1))
        yield {name: loss.item() for name, loss in losses.items()}


def test_the_first_row_of_the_ablation_is_unet_l1_step_for_step() -> None:
    first, second = build(DualD, **ABLATION["L1"]), build(UNetL1)
    assert list(steps(first)) == list(steps(second))
    source = random_batch(9).source
    assert torch.equal(first.eval().translate(source), second.eval().translate(source))


def test_each_row_of_the_ablation_adds_one_part() -> None:
    parts = []
    for settings in ABLATION.values():
        (losses,) = steps(build(DualD, **settings), count=1)
        weighted = "attention" if DualD.Config(**settings).attention else ""
        parts.append({name for name in losses if "/" in name} | {weighted} - {""})
    added = [later - earlier for earlier, later in zip([set(), *parts], parts, strict=False)]
    assert added == [
        {"generator/l1"},
        {"generator/gradient"},
        {"generator/global", "discriminator/global_real", "discriminator/global_fake"},
        {"generator/local", "discriminator/local_real", "discriminator/local_fake"},
        {"attention"},
    ]
    assert DualD.Config(**list(ABLATION.values())[-1]) == DualD.Config()


def test_translators_of_a_seed_begin_with_the_same_generator() -> None:
    states = [build(model).generator.state_dict() for model in (DualD, Pix2Pix, UNetL1)]
    for name, value in states[0].items():
        assert all(torch.equal(value, other[name]) for other in states[1:]), name


# The networks


@pytest.mark.parametrize(
    ("model", "side", "discriminator"),
    [(UNetL1, 256, None), (Pix2Pix, 256, 2_769_601), (DualD, 64, 4_221_378), (DualD, 256, 12_613_058)],
)
def test_parameters(model, side, discriminator) -> None:
    with torch.device("meta"):
        networks = model(ImageShape(3, side, side), model.Config()).networks()
    counts = {name: sum(each.numel() for each in network.parameters()) for name, network in networks.items()}
    assert counts == {"generator": 8_045_955} | ({"discriminator": discriminator} if discriminator else {})


@pytest.mark.parametrize(
    ("shape", "settings"), [(ImageShape(3, 64, 64), {}), (ImageShape(1, 40, 24), {"residual": True})]
)
def test_the_generator_keeps_the_shape(shape, settings) -> None:
    generator = ResidualUNet(shape, width=16, norm="group", **settings)
    images = torch.ones(2, shape.channels, shape.height, shape.width)
    assert generator(images).shape == images.shape
    assert generator(images).isfinite().all()


def test_the_generator_has_four_levels() -> None:
    generator = ResidualUNet(ImageShape(3, 32, 32), width=64, norm="group")
    found = {block.second.out_channels for block in [generator.entrance, *generator.down]}
    assert found == {64, 128, 256, 512}


def test_with_the_residual_an_idle_generator_gives_the_source_back() -> None:
    generator = ResidualUNet(SHAPE, width=16, norm="group", residual=True)
    nn.init.zeros_(generator.to_image.weight)
    nn.init.zeros_(generator.to_image.bias)
    source = random_batch(1).source
    torch.testing.assert_close(generator(source), 0.98 * source)


def test_a_side_that_the_generator_cant_halve_three_times_is_refused() -> None:
    with pytest.raises(SpecError, match="36 x 36"):
        build(UNetL1, ImageShape(1, 36, 36))


def reach(network: nn.Module, side: int, place: tuple[int, ...]) -> int:
    """Side of the square of pixels that one of a network's scores depends on."""
    image = torch.zeros(1, 2, side, side, requires_grad=True)
    network(image)[(0, 0, *place)].backward()
    touched = image.grad.abs().sum(dim=(0, 1, 2)).nonzero()
    return int(touched.max() - touched.min()) + 1


def test_patches_are_of_70_px() -> None:
    # Without normalisation, whose statistics are of the whole image.
    patches = PatchDiscriminator(2, width=16, norm="group")
    patches.path = nn.Sequential(*(layer for layer in patches.path if not isinstance(layer, nn.GroupNorm)))
    assert patches(torch.zeros(1, 2, 128, 128)).shape == (1, 1, 14, 14)
    assert reach(patches, 128, (7, 7)) == 70


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_the_global_discriminator_gives_one_score_and_its_patches_hold_the_image(side) -> None:
    whole = GlobalDiscriminator(2, side=side, width=16, norm="group")
    assert whole(torch.zeros(2, 2, side, side)).shape == (2, 1)
    halvings = sum(layer.stride == (2, 2) for layer in whole.patches.path if isinstance(layer, nn.Conv2d))
    assert 9 * 2**halvings - 2 >= side


def test_the_local_discriminator_judges_every_pixel_by_its_surroundings() -> None:
    local = LocalDiscriminator(2, width=16, norm="group")
    assert local(torch.zeros(2, 2, 64, 64)).shape == (2, 1, 64, 64)
    for module in (local.down, local.up):
        for position, step in enumerate(module):
            if isinstance(step, nn.Sequential):
                module[position] = step[0]
    assert 16 <= reach(local, 128, (64, 64)) <= 70


def test_the_explanation_is_the_attention() -> None:
    model = build(DualD).eval()
    batch = random_batch(1)
    ((title, attention),) = model.explain(batch).items()
    assert "attention" in title
    with torch.no_grad():
        pairs = torch.cat([batch.source, model.translate(batch.source)], dim=1)
        confidence = model.discriminator(pairs)["local"].sigmoid()
    torch.testing.assert_close(attention, (1 - confidence).square())
    assert attention.shape == (3, 1, 32, 32)
    assert build(DualD, **ABLATION["+ global D"]).explain(batch) == {}


# Learning


def discs(count: int, stream: torch.Generator) -> Batch:
    """Discs that become a ring 4 px around them, where the source is as black as far away."""
    pixels = torch.arange(32) + 0.5
    centre = torch.rand(2, count, 1, 1, 1, generator=stream) * 16 + 8
    radius = torch.rand(count, 1, 1, 1, generator=stream) * 3 + 3
    outside = ((pixels[:, None] - centre[0]) ** 2 + (pixels[None, :] - centre[1]) ** 2).sqrt() - radius
    return Batch(images=(2 - (outside - 4).abs()).clamp(-1, 1), source=(-outside).clamp(-1, 1))


@pytest.mark.parametrize("model", [UNetL1, Pix2Pix, DualD])
def test_a_translator_learns(model) -> None:
    """The error on images that it never saw falls below a third of what it is for one grey level at best."""
    network = build(model, lr=1e-3)
    stream = torch.Generator().manual_seed(7)
    unseen = discs(16, stream)
    best_constant = (unseen.images - unseen.images.median()).abs().mean().item()
    with torch.no_grad():
        assert (network.eval().translate(unseen.source) - unseen.images).abs().mean() > best_constant
    network.train()
    for step in range(60):
        network.train_step(discs(8, stream), Clock(step, 0, 1))
    with torch.no_grad():
        error = (network.eval().translate(unseen.source) - unseen.images).abs().mean().item()
    assert error < best_constant / 3
