"""DiffAugment: each change by itself, and where every adversarial synthesizer applies it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from harness_models import synthesis
from harness_models.diffaugment import CHANGES, color, cutout, diff_augment, translation
from harness_models.hagan import HAGAN
from pydantic import ValidationError
from torch import Tensor

from harness.api import Batch, Clock, ImageShape

LATE = Clock(step=400, epoch=200, epochs=300)
ADVERSARIAL = [
    "dcgan",
    "sagan",
    "infogan",
    "wgan",
    "wgan, penalty",
    "unetgan",
    "fastgan",
    "r3gan",
    "stylegan2-ada",
    "hagan",
]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_gradients_flow_through_every_change(change) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(8, 3, 16, 16, requires_grad=True)
    changed = change(inputs)
    assert changed.shape == inputs.shape
    assert not torch.equal(changed, inputs)
    (gradient,) = torch.autograd.grad((changed * torch.randn(8, 3, 16, 16)).sum(), inputs)
    assert (gradient.flatten(1).abs().sum(dim=1) > 0).all()


def test_every_image_is_changed_in_its_own_way() -> None:
    torch.manual_seed(0)
    same = torch.randn(1, 3, 32, 32).expand(6, 3, 32, 32)
    for change in CHANGES.values():
        assert len({image.numpy().tobytes() for image in change(same)}) > 3


def test_colour_by_hand(monkeypatch) -> None:
    # Brightness + 0.25, saturation x 0, contrast x 1.5.
    draws = torch.tensor([0.75, 0.0, 1.0]).view(3, 1, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *size, device: draws)
    image = torch.tensor([[[[0.0]], [[1.0]]]]).repeat(1, 1, 1, 2)
    image[..., 1] += 1.0  # two pixels, of channels (0, 1) and (1, 2)
    grey = torch.tensor([0.5, 1.5]) + 0.25
    expected = (grey - grey.mean()) * 1.5 + grey.mean()
    torch.testing.assert_close(color(image), expected.expand(1, 2, 1, 2))


def test_grey_images_stay_grey() -> None:
    torch.manual_seed(0)
    changed = color(torch.randn(4, 1, 8, 8).repeat(1, 3, 1, 1))
    torch.testing.assert_close(changed[:, :1].repeat(1, 3, 1, 1), changed)


def test_translation_moves_whole_pixels_and_fills_with_zero() -> None:
    torch.manual_seed(0)
    image = torch.arange(1.0, 257.0).view(1, 1, 16, 16)
    shifts = set()
    for moved in translation(image.expand(300, 1, 16, 16)):
        value = moved[0, 8, 8].item() - 1
        down, right = 8 - int(value // 16), 8 - int(value % 16)
        shifts.add((down, right))
        expected = torch.zeros(16, 16)
        source = image[0, 0, max(0, -down) : 16 - max(0, down), max(0, -right) : 16 - max(0, right)]
        expected[max(0, down) : 16 + min(0, down), max(0, right) : 16 + min(0, right)] = source
        assert torch.equal(moved[0], expected)
    assert {down for down, _ in shifts} == {right for _, right in shifts} == {-2, -1, 0, 1, 2}  # 16 / 8


def test_cutout_clears_a_square_of_half_the_side() -> None:
    torch.manual_seed(0)
    cut = cutout(torch.ones(300, 1, 16, 16))[:, 0] == 0
    heights, widths = cut.any(dim=2).sum(dim=1), cut.any(dim=1).sum(dim=1)
    assert torch.equal(cut.sum(dim=(1, 2)), heights * widths), "not a rectangle"
    assert heights.max() == widths.max() == 8
    assert heights.min() >= 4, "the centre is inside the image"
    assert cut.any(dim=0).all()


def test_changes_can_be_left_out() -> None:
    batch = torch.randn(2, 1, 8, 8)
    assert diff_augment(batch, ()) is batch
    assert HAGAN.Config(diffaugment="color,cutout").diffaugment == ("color", "cutout")
    with pytest.raises(ValidationError, match="diffaugment"):
        HAGAN.Config(diffaugment="")


def test_maps_beside_images_are_moved_and_cut_alike_and_not_coloured() -> None:
    images = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(1)) + 1
    maps = images[:, :1]
    torch.manual_seed(0)
    both = torch.cat([images, maps], dim=1)
    moved, beside = diff_augment(both, ("translation", "cutout"), maps=1).split([3, 1], dim=1)
    assert torch.equal(moved[:, :1], beside)
    assert not torch.equal(moved, images)
    torch.manual_seed(0)
    assert torch.equal(diff_augment(images, ("translation", "cutout")), moved), "the same draws as without"
    coloured, kept = diff_augment(both, ("color",), maps=1).split([3, 1], dim=1)
    assert torch.equal(kept, maps)
    assert not torch.equal(coloured, images)


def far(images: Tensor, changes: object, maps: int = 0) -> Tensor:
    """A change that can be told: what passed through it is above 50."""
    return images + 100 if changes else images


@pytest.mark.parametrize("name", ["dcgan", "hagan"])
def test_label_maps_are_moved_and_cut_and_keep_their_values(name, tinies, monkeypatch) -> None:
    tiny = replace(tinies[name], shape=ImageShape(4, 32, 32, labels=3))
    model = tiny.build(augment="diffaugment", **({"mixing": "augmented"} if name == "hagan" else {}))
    images = tiny.images().sign()
    for seen in (model.augmented(images, LATE), model.augmented(images, LATE)):
        assert set(seen[:, 1:].unique().tolist()) == {-1.0, 0.0, 1.0}
        assert len(seen[:, :1].unique()) > 3
    losses = model.train_step(Batch(images), LATE)
    assert all(loss.isfinite() for loss in losses.values())
    assert model.sample(torch.arange(2)).shape == (2, 4, 32, 32)


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("augment", ["diffaugment", "none", "flip,shift"])
def test_the_discriminator_sees_both_sides_changed_or_neither(name, augment, tinies, monkeypatch) -> None:
    monkeypatch.setattr(synthesis, "diff_augment", far)
    # HAGAN's mixed images and their parts are plain, unless they are asked to be changed.
    settings = {"attnmix": False, "reverse_skip": False} if name == "hagan" else {}
    model = tinies[name].build(augment=augment, **settings)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, batch: seen.append(batch[0].detach()))
    for step in range(LATE.step, LATE.step + 10):
        model.train_step(Batch(tinies[name].images()), Clock(step, LATE.epoch, LATE.epochs))
    assert len(seen) >= 10
    assert all(((images > 50).all() if augment == "diffaugment" else (images < 50).all()) for images in seen)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_generator_learns_through_diffaugment(name, tinies) -> None:
    torch.manual_seed(0)
    model = tinies[name].build(augment="diffaugment")
    fake = model.generate(Batch(tinies[name].images()), needs_gradient=True)
    sum(model.generator_losses(tinies[name].images(), fake, LATE).values()).backward()
    for key, parameter in model.generator.named_parameters():
        assert parameter.grad is not None, key


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_samples_are_not_augmented(name, tinies, monkeypatch) -> None:
    monkeypatch.setattr(synthesis, "diff_augment", far)
    with torch.no_grad():
        assert tinies[name].build(augment="diffaugment").eval().sample(torch.arange(2)).abs().max() <= 1


def test_a_diffusion_model_has_no_discriminator_to_augment_for(tinies) -> None:
    with pytest.raises(ValidationError, match="augment"):
        tinies["ddpm"].build(augment="diffaugment")


def test_hagan_mixes_what_it_is_told_to(tinies, monkeypatch) -> None:
    from harness_models.hagan import model as hagan_module

    mixed: list[Tensor] = []

    def watch(real: Tensor, fake: Tensor, saliency: Tensor, alpha: float):
        mixed.append(real)
        return attnmix(real, fake, saliency, alpha)

    attnmix = hagan_module.attnmix
    monkeypatch.setattr(hagan_module, "attnmix", watch)
    images = tinies["hagan"].images()
    for mixing in ("plain", "augmented"):
        tinies["hagan"].build(mixing=mixing).train_step(Batch(images), LATE)
    assert torch.equal(mixed[0], images)
    assert not torch.equal(mixed[1], images)
