"""HAGAN's equations 1 to 8, with numbers worked by hand."""

from __future__ import annotations

import pytest
import torch
from harness_models.hagan import HAGAN
from harness_models.hagan import attnmix as attnmix_module
from harness_models.hagan.attnmix import Mixed, attnmix, mixing_ratio
from harness_models.hagan.discriminator import Judgement
from harness_models.hagan.model import GuidedFake
from harness_models.hagan.objective import consistency_loss, image_loss, pixel_loss
from harness_models.mixing import box_masks, mix, shrink
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.api import Clock, ImageShape


def grid(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]


# The upper row of this 2 x 2 image, and the left pixel of its lower row, are real.
MASK = grid([1.0, 1.0], [1.0, 0.0])

# Masks and the box law


def test_equations_1_and_2_paste_generated_pixels_into_the_real_image(monkeypatch) -> None:
    monkeypatch.setattr(attnmix_module, "box_masks", lambda count, side, device: MASK)
    real, fake = grid([0.1, 0.2], [0.3, 0.4]), grid([-0.1, -0.2], [-0.3, -0.4])
    mixed = attnmix(real, fake, saliency=None, alpha=0.5)
    assert torch.equal(mixed.images, grid([0.1, 0.2], [0.3, -0.4]))
    assert torch.equal(mixed.mask, MASK)


def is_box(mask: Tensor) -> bool:
    rows, columns = mask.any(dim=1).float(), mask.any(dim=0).float()
    return torch.equal(mask, rows[:, None] * columns)


def test_masks_are_boxes_of_either_kind() -> None:
    torch.manual_seed(0)
    masks = box_masks(400, 16, torch.device("cpu"))
    assert masks.shape == (400, 1, 16, 16)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    inside_real = [is_box(mask) for mask in masks[:, 0]]
    outside_real = [is_box(1 - mask) for mask in masks[:, 0]]
    assert all(one or other for one, other in zip(inside_real, outside_real, strict=True))
    # A box at the border may be of both kinds, so that both are a little more than half.
    assert 160 < sum(inside_real) < 280
    assert 160 < sum(outside_real) < 280
    # E[side^2] without clipping is 1/2; clipped boxes are smaller, and inversion makes the mean 1/2 again.
    assert masks.mean().item() == pytest.approx(0.5, abs=0.05)


def test_each_image_has_its_own_mask() -> None:
    masks = box_masks(8, 32, torch.device("cpu"))
    assert len({mask.numpy().tobytes() for mask in masks}) > 6


# The label


def test_equation_3_weighs_the_area_by_attention() -> None:
    # Attention 1, 2, 3 on the real pixels and 4 on the generated one: lambda_1 = 6 / 10.
    saliency = grid([0.1, 0.2], [0.3, 0.4])
    ratio = mixing_ratio(MASK, saliency, alpha=0.5)
    # Equation 4: lambda_0 = 3 / 4, lambda = (0.75 + 0.6) / 2.
    assert ratio.tolist() == [pytest.approx(0.675)]


def test_the_scale_of_the_attention_does_not_matter() -> None:
    saliency = grid([0.1, 0.2], [0.3, 0.4])
    torch.testing.assert_close(mixing_ratio(MASK, saliency, 0.5), mixing_ratio(MASK, 1000 * saliency, 0.5))


def test_uniform_attention_corrects_nothing() -> None:
    mask = box_masks(5, 32, torch.device("cpu"))
    torch.testing.assert_close(
        mixing_ratio(mask, torch.full((5, 1, 8, 8), 0.3), 0.5), mask.mean(dim=(1, 2, 3))
    )


def test_without_attention_the_label_is_the_area() -> None:
    assert mixing_ratio(MASK, None, alpha=0.5).tolist() == [0.75]


def test_small_attention_maps_are_enlarged_to_the_image() -> None:
    # A 1 x 2 map over 2 x 4 pixels, bilinear: columns 1, 1.5, 2.5, 3 of a sum of 16. The left column is real.
    mask = grid([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    ratio = mixing_ratio(mask, grid([1.0, 3.0]), alpha=0.5)
    assert ratio.item() == pytest.approx((2 / 8 + 2 / 16) / 2)


@given(
    mask=st.lists(st.sampled_from([0.0, 1.0]), min_size=16, max_size=16),
    attention=st.lists(st.floats(1e-6, 1.0), min_size=4, max_size=4),
    alpha=st.floats(0.01, 0.5),
)
def test_the_label_stays_between_fake_and_real(mask, attention, alpha) -> None:
    ratio = mixing_ratio(torch.tensor(mask).view(1, 1, 4, 4), torch.tensor(attention).view(1, 1, 2, 2), alpha)
    assert -1e-6 <= ratio.item() <= 1 + 1e-6


def test_an_all_real_image_is_real_and_an_all_fake_image_is_fake() -> None:
    saliency = grid([0.1, 0.2], [0.3, 0.4])
    assert mixing_ratio(torch.ones_like(MASK), saliency, 0.5).item() == pytest.approx(1.0)
    assert mixing_ratio(torch.zeros_like(MASK), saliency, 0.5).item() == pytest.approx(0.0)


@pytest.mark.parametrize("alpha", [0.0, 0.51, 1.0])
def test_an_alpha_that_could_push_the_label_above_one_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        HAGAN.Config(alpha=alpha)


# Losses


def judgement(image: float, pixels: Tensor, features: Tensor | None = None) -> Judgement:
    maps = () if features is None else (features,)
    return Judgement(torch.tensor([image]), (pixels,), maps)


def test_image_loss_by_hand() -> None:
    found = Judgement(torch.tensor([0.5, 2.0]), (), ())
    assert image_loss(found, 1.0).item() == pytest.approx((0.25 + 1) / 2)
    assert image_loss(found, torch.tensor([0.25, 1.0])).item() == pytest.approx((0.0625 + 1) / 2)


def test_pixel_loss_follows_the_mask_at_every_scale() -> None:
    fine, coarse = grid([1.0, 0.0], [1.0, 0.0]), grid([0.5])
    found = Judgement(torch.zeros(1), (fine, coarse), ())
    # Fine grid: one of four pixels is off by 1. Coarse grid: the mask's mean is 3/4, the score 1/2.
    assert pixel_loss(found, MASK).item() == pytest.approx((1 / 4 + 1 / 16) / 2)
    assert pixel_loss(found, 1.0).item() == pytest.approx((2 / 4 + 1 / 4) / 2)


def test_equation_5_at_the_level_of_images_pixels_and_features() -> None:
    mixed = Mixed(torch.zeros(1, 1, 2, 2), MASK, torch.tensor([0.6]))
    on_real = judgement(1.0, grid([1.0, 1.0], [1.0, 1.0]), torch.full((1, 2, 2, 2), 2.0))
    on_fake = judgement(0.5, grid([0.0, 0.0], [0.0, 0.0]), torch.full((1, 2, 2, 2), -2.0))
    on_mixed = judgement(0.9, grid([1.0, 1.0], [0.5, 0.5]), torch.ones(1, 2, 2, 2))
    image = (0.9 - (0.6 * 1.0 + 0.4 * 0.5)) ** 2
    pixels = (0 + 0 + 0.25 + 0.25) / 4
    features = (3 * (1 - 2) ** 2 + (1 + 2) ** 2) / 4
    plain = consistency_loss(on_mixed, on_real, on_fake, mixed, features=False)
    full = consistency_loss(on_mixed, on_real, on_fake, mixed, features=True)
    assert plain.item() == pytest.approx(image + pixels)
    assert full.item() == pytest.approx(image + pixels + features)


def test_a_discriminator_that_sees_only_pixels_is_consistent() -> None:
    torch.manual_seed(0)
    mask, real, fake = box_masks(4, 8, torch.device("cpu")), torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    mixed = Mixed(mix(mask, real, fake), mask, torch.zeros(4))

    def judge(images: Tensor) -> Judgement:
        return Judgement(torch.zeros(4), (images, 2 * images), (images.repeat(1, 3, 1, 1),))

    loss = consistency_loss(judge(mixed.images), judge(real), judge(fake), mixed, features=True)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_masks_shrink_by_area() -> None:
    assert torch.equal(shrink(MASK, 1), grid([0.75]))
    assert torch.equal(shrink(MASK, 2), MASK)


class Mean(nn.Module):
    """Judges an image, its only pixel grid and its only map by its values."""

    def forward(self, images: Tensor) -> Judgement:
        return Judgement(images.mean(dim=(1, 2, 3)), (images,), (images,))


def simple(**settings: object) -> HAGAN:
    """HAGAN with a discriminator that can be computed in the head, its mask MASK, and nothing random."""
    base = {"width": 64, "reverse_skip": False, "attention": False, "augment": (), "warmup_epochs": 10}
    model = HAGAN(ImageShape(1, 32, 32), HAGAN.Config(**{**base, **settings}))
    model.discriminator = Mean()
    return model


def fake_of(images: Tensor) -> GuidedFake:
    return GuidedFake(images, torch.zeros(1, 100), attended=None, judged_real=None)


FIRST_STAGE, SECOND_STAGE = Clock(step=0, epoch=9, epochs=20), Clock(step=0, epoch=10, epochs=20)
REAL, FAKE = grid([0.5, 0.5], [0.5, 0.5]), grid([0.25, 0.25], [0.25, 0.25])


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: round(term.item(), 6) for name, term in terms.items()}


def test_equation_6_is_the_first_stage() -> None:
    terms = simple(beta_pixel=3.0).discriminator_losses(REAL, fake_of(FAKE), FIRST_STAGE)
    adversarial = 0.5**2 + 0.25**2  # targets 1 and 0, the same for every pixel
    assert values(terms) == {"image": adversarial, "pixel": 3 * adversarial}


def test_equation_7_adds_the_mixed_images_and_their_consistency(monkeypatch) -> None:
    monkeypatch.setattr(attnmix_module, "box_masks", lambda count, side, device: MASK)
    model = simple(beta_pixel=3.0, beta_consistency=2.0)
    terms = model.discriminator_losses(REAL, fake_of(FAKE), SECOND_STAGE)
    adversarial = 0.5**2 + 0.25**2
    score = (3 * 0.5 + 0.25) / 4  # of the mixed image, whose label is 3/4
    on_mixed_image = (score - 0.75) ** 2
    on_mixed_pixels = (3 * 0.5**2 + 0.25**2) / 4
    assert values(terms) == {
        "image": pytest.approx(adversarial + on_mixed_image),
        "pixel": pytest.approx(3 * (adversarial + on_mixed_pixels)),
        "consistency": 0.0,
    }


def test_the_consistency_weighs_beta_2(monkeypatch) -> None:
    monkeypatch.setattr(attnmix_module, "box_masks", lambda count, side, device: MASK)

    class Square(nn.Module):
        def forward(self, images: Tensor) -> Judgement:
            return Judgement(images.mean(dim=(1, 2, 3)).square(), (images,), (images,))

    model = simple(beta_consistency=2.0)
    model.discriminator = Square()
    terms = model.discriminator_losses(REAL, fake_of(FAKE), SECOND_STAGE)
    expected = ((1.75 / 4) ** 2 - (0.75 * 0.25 + 0.25 * 0.0625)) ** 2
    assert terms["consistency"].item() == pytest.approx(2 * expected, rel=1e-4)


def test_equation_8_is_the_generators_loss() -> None:
    terms = simple(beta_pixel_generator=4.0).generator_losses(REAL, fake_of(FAKE), FIRST_STAGE)
    assert values(terms) == {"image": 0.75**2, "pixel": 4 * 0.75**2}
