"""HAGAN's augmentation and its discriminator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness_models.hagan import HAGAN
from harness_models.hagan.diffaugment import CHANGES, color, cutout, diff_augment, translation
from harness_models.hagan.discriminator import HierarchicalDiscriminator
from torch import Tensor

from harness.api import Batch, Clock, ImageShape

SHAPE = ImageShape(1, 32, 32)
FIRST_STAGE, SECOND_STAGE = Clock(step=0, epoch=0, epochs=200), Clock(step=0, epoch=100, epochs=200)


def hagan(**settings: Any) -> HAGAN:
    torch.manual_seed(0)
    return HAGAN(SHAPE, HAGAN.Config(**{"width": 64, **settings}))


def images(count: int = 4) -> Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


# DiffAugment


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
    assert HAGAN.Config(diffaugment="").diffaugment == ()


def test_the_generator_learns_through_diffaugment() -> None:
    model = hagan()
    fake = model.generate(Batch(images()), needs_gradient=True)
    sum(model.generator_losses(images(), fake, SECOND_STAGE).values()).backward()
    gradient = model.generator.to_image.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


# The discriminator


@pytest.mark.parametrize(("branch", "grids"), [("lateral", [16, 8, 4]), ("separate", [32]), ("none", [])])
def test_pixel_branches_judge_their_grids(branch, grids) -> None:
    judgement = HierarchicalDiscriminator(SHAPE, 64, branch)(images(2))
    assert judgement.image.shape == (2,)
    assert [grid.shape for grid in judgement.pixels] == [(2, 1, side, side) for side in grids]
    assert [level.shape for level in judgement.maps] == [(2, 16, 16, 16), (2, 32, 8, 8), (2, 64, 4, 4)]


def test_a_judgement_splits_into_its_batches() -> None:
    discriminator = HierarchicalDiscriminator(SHAPE, 64, "lateral").eval()
    first, second = images(4).split(2)
    for part, batch in zip(discriminator(images(4)).split(2), (first, second), strict=True):
        alone = discriminator(batch)
        torch.testing.assert_close(part.image, alone.image)
        torch.testing.assert_close(part.pixels, alone.pixels)
        torch.testing.assert_close(part.maps, alone.maps)
