"""StyleGAN2-ADA's equations, by hand, and the state that its training keeps."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.stylegan2_ada.adaptation import Adaptation
from harness_models.stylegan2_ada.discriminator import Deviation
from harness_models.stylegan2_ada.layers import Convolution, Linear, Modulated, demodulation
from harness_models.stylegan2_ada.model import path_lengths
from torch import nn
from torch.nn import functional as F

from harness.api import Batch, Clock

FIRST = Clock(0, 0, 1)


def test_demodulation_by_hand() -> None:
    weight = torch.tensor([[3.0, 1.0], [0.0, 2.0]]).view(2, 2, 1, 1)
    # 1 / sqrt((3 x 2)^2 + (1 x 8)^2) and 1 / sqrt(0 + (2 x 8)^2)
    found = demodulation(weight, torch.tensor([[2.0, 8.0]]))
    torch.testing.assert_close(found, torch.tensor([[1 / 10, 1 / 16]]))


@pytest.mark.parametrize("up", [False, True])
def test_modulating_maps_is_modulating_weights(up) -> None:
    torch.manual_seed(0)
    layer = Modulated(3, 5, 3, 4, up=up)
    maps, style = torch.randn(2, 3, 6, 6), torch.randn(2, 4)
    styles = layer.affine(style)
    for index, found in enumerate(layer(maps, style)):
        weight = layer.weight * styles[index][None, :, None, None]
        weight = weight / weight.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        if up:
            wide = F.conv_transpose2d(maps[index : index + 1], weight.transpose(0, 1), stride=2)
            line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
            kernel = torch.outer(line, line).expand(5, 1, 4, 4)
            expected = F.conv2d(wide, kernel, padding=1, groups=5)[0]
        else:
            expected = F.conv2d(maps[index : index + 1], weight, padding=1)[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_weights_are_scaled_as_they_are_used() -> None:
    layer = Linear(4, 1, rate=0.01, bias=1.0)
    layer.weight.data.fill_(100.0)
    # 100 / sqrt 4, at a hundredth: half of each input; the bias a hundredth.
    assert layer(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).item() == pytest.approx(5 + 0.01)
    convolution = Convolution(2, 1, 1)
    convolution.weight.data.fill_(1.0)
    assert convolution(torch.ones(1, 2, 1, 1)).item() == pytest.approx(2 / math.sqrt(2))


def test_the_deviation_of_a_group_by_hand() -> None:
    maps = torch.tensor([[0.0, 0.0], [4.0, 0.0], [9.0, 9.0], [9.0, 9.0]]).view(4, 1, 1, 2)
    # All four: squares around 5.5 and 4.5 of (30.25, 2.25, 12.25, 12.25) and (20.25, 20.25, 20.25, 20.25).
    expected = (math.sqrt(57 / 4) + 4.5) / 2
    torch.testing.assert_close(Deviation()(maps)[:, 1], torch.full((4, 1, 2), expected))
    # Six images are two groups of three: every other one.
    six = torch.tensor([0.0, 7.0, 0.0, 7.0, 3.0, 7.0]).view(6, 1, 1, 1)
    found = Deviation()(six)[:, 1].flatten()
    torch.testing.assert_close(found, torch.tensor([math.sqrt(2), 0.0001] * 3), atol=1e-4, rtol=1e-4)


def test_real_and_generated_images_are_not_compared_with_each_other(tinies) -> None:
    model = tinies["stylegan2-ada"].build()
    same, noise = torch.zeros(4, 1, 32, 32), torch.randn(4, 1, 32, 32)
    torch.testing.assert_close(model.judge(same, noise)[0], model.discriminator(same))


def test_path_lengths_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    styles = torch.ones(2, 2, 2, requires_grad=True)
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    # Four pixels, each the first layer's style times (3, 4): the slope of their sum over sqrt 4 is 2 (3, 4) there.
    images = (styles[:, 0] * weight).sum(dim=1).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    lengths = path_lengths(images, styles)
    # The squared length is 100 in the first of two layers and 0 in the second.
    torch.testing.assert_close(lengths, torch.full((2,), math.sqrt(50)))
    lengths.sum().backward()
    # d/dw sqrt(2 |w|^2) = sqrt 2 w / |w|, of two images.
    torch.testing.assert_close(weight.grad, 2 * math.sqrt(2) * torch.tensor([3.0, 4.0]) / 5)


def test_the_mean_path_length_follows_by_a_hundredth(tinies, monkeypatch) -> None:
    from harness_models.stylegan2_ada import model as module

    model = tinies["stylegan2-ada"].build(path_weight=2.0)
    lengths = torch.tensor([10.0, 20.0])
    monkeypatch.setattr(module, "path_lengths", lambda images, styles: lengths)
    # From 0 towards 15: 0.15; squares of 9.85 and 19.85, mean times 2.
    assert model.path_loss(4).item() == pytest.approx(9.85**2 + 19.85**2)
    assert model.path_mean.item() == pytest.approx(0.15)


class FirstPixel(nn.Module):
    """Scores twice the first pixel."""

    def forward(self, images):
        return 2 * images.flatten(1)[:, :1]


def test_r1_follows_the_published_rule(tinies) -> None:
    batch = Batch(torch.zeros(4, 1, 32, 32))
    for settings, gamma in (({"gamma": 3.0}, 3.0), ({}, 0.0002 * 32**2 / 4)):
        model = tinies["stylegan2-ada"].build(augment="none", **settings)
        model.discriminator = FirstPixel()
        assert model.slope_loss(batch, FIRST).item() == pytest.approx(gamma / 2 * 4)


def test_r1_reaches_through_the_pipeline(tinies) -> None:
    model = tinies["stylegan2-ada"].build()
    model.adaptation.chance.fill_(1.0)
    model.slope_loss(Batch(tinies["stylegan2-ada"].images()), FIRST).backward()
    assert model.discriminator.from_image.weight.grad.abs().sum() > 0


def test_regularisers_come_lazily_and_count_so_many_times(tinies) -> None:
    tiny = tinies["stylegan2-ada"]
    model = tiny.build(lr=1e-3, betas=(0.0, 0.5))
    for name, interval in (("generator", 4), ("discriminator", 16)):
        group = model.optimizers()[name].param_groups[0]
        share = interval / (interval + 1)
        assert group["lr"] == pytest.approx(1e-3 * share)
        assert group["betas"] == pytest.approx((0.0, 0.5**share))
    asked = []
    step = model._descent.step
    model._descent.step = lambda name, loss, clock: (
        asked.append((name, loss.item())),
        step(name, loss, clock),
    )
    logged = [model.train_step(Batch(tiny.images()), Clock(one, 0, 1)) for one in range(17)]
    assert [one for one, logs in enumerate(logged) if "r1" in logs] == [0, 16]
    assert [one for one, logs in enumerate(logged) if "path_length" in logs] == [0, 4, 8, 12, 16]
    assert asked[0] == ("discriminator", pytest.approx(16 * logged[0]["r1"].item()))
    assert asked[1] == ("generator", pytest.approx(4 * logged[0]["path_length"].item()))


def test_augmentation_adapts_by_hand() -> None:
    adaptation = Adaptation(target=0.6, images=1000)
    # Four steps of 10 images: p moves by 40 / 1000. Nine of ten scores above 0 are r_t = 0.8.
    surely, hardly = torch.tensor([1.0] * 9 + [-1.0]), torch.tensor([1.0] * 7 + [-1.0] * 3)
    for step in range(8):
        adaptation.note(surely)
        adaptation.adjust(step, 10)
        assert adaptation.chance.item() == pytest.approx(0.04 * ((step + 1) // 4))
    for step in range(8, 24):  # r_t = 0.4, and p is never below 0
        adaptation.note(hardly)
        adaptation.adjust(step, 10)
    assert adaptation.chance.item() == 0


def test_what_training_must_remember_is_in_the_state(tinies, train) -> None:
    model = tinies["stylegan2-ada"].build()
    train(model, tinies["stylegan2-ada"].images(), steps=5)
    state = model.state_dict()
    assert state["path_mean"] > 0
    assert {"adaptation.chance", "adaptation.signs", "adaptation.seen"} <= set(state)
    assert state["adaptation.seen"] > 0, "in the middle of four steps"


def test_styles_are_mixed_from_a_random_layer_on(tinies) -> None:
    torch.manual_seed(0)
    latents = torch.randn(3, 512)
    never, always = (tinies["stylegan2-ada"].build(style_mixing=share) for share in (0.0, 1.0))
    plain = never.mixed_styles(latents)
    assert (plain == plain[:, :1]).all()
    places = set()
    for _ in range(60):
        mixed = always.mixed_styles(latents)
        own = (mixed == plain).all(dim=2).all(dim=0)
        assert own[0]
        assert torch.equal(own, own.cummin(0).values.bool()), "own styles first, then others"
        places.add(int(own.sum()))
    assert places == set(range(1, 8))


def test_the_average_forgets_half_in_the_published_number_of_images(tinies) -> None:
    model = tinies["stylegan2-ada"].build()
    # From 20 x 10,000 images on: 10 / 32 thousand images for each of a batch.
    assert model.decay(Clock(10**6, 0, 1), 32) == pytest.approx(0.5 ** (32 / 10_000))
    assert model.decay(Clock(100, 0, 1), 32) == pytest.approx(0.5 ** (1 / (0.05 * 100)))
    assert model.decay(FIRST, 32) == 0
