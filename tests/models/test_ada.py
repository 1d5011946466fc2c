"""The pipeline of augmentations: what it does to images, how often, and that it can be learnt through."""

from __future__ import annotations

import math

import pytest
import torch
from harness_models.ada.chance import either
from harness_models.ada.geometry import random_maps, seen_through
from harness_models.ada.pipeline import Pipeline, cut, recoloured, turned_hue
from torch.autograd import gradgradcheck

ALL = Pipeline(geometry=1.0, colour=1.0, cutout=1.0)


@pytest.fixture
def images():
    return torch.rand(6, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def place(xx=1.0, xy=0.0, x=0.0, yx=0.0, yy=1.0, y=0.0):
    return torch.tensor([[[xx, xy, x], [yx, yy, y], [0.0, 0.0, 1.0]]])


def test_what_is_not_moved_stays_as_it_was(images) -> None:
    torch.testing.assert_close(seen_through(images, place().expand(6, 3, 3)), images, atol=1e-5, rtol=0)


def test_a_shift_by_whole_pixels_moves_them(images) -> None:
    moved = seen_through(images, place(x=-3.0, y=2.0).expand(6, 3, 3))
    torch.testing.assert_close(moved[..., :-5, 6:], images[..., 2:-3, 3:-3], atol=1e-5, rtol=0)


@pytest.fixture
def smooth():
    """One image from -2 to 3 that differs in all directions.

    The filter is not quite symmetric: what is mirrored or turned also moves by up to half a pixel.
    """
    line = torch.linspace(-1, 1, 32)
    return (line.exp()[:, None] * (2 * line).cos() + line)[None, None]


def test_beyond_the_edge_the_image_is_mirrored(smooth) -> None:
    moved = seen_through(smooth, place(x=-10.0))[..., :10]
    assert (moved - smooth[..., 1:11].flip(3)).abs().max() < 0.25
    assert (moved - smooth[..., 1:11]).abs().max() > 1


def test_a_quarter_turn_and_a_mirror(smooth) -> None:
    turned = seen_through(smooth, place(xx=0.0, xy=-1.0, yx=1.0, yy=0.0))
    differences = [(turned - smooth.rot90(k, (2, 3))).abs()[..., 3:-3, 3:-3].max() for k in range(4)]
    assert differences[1] < 0.2
    assert min(differences[0], differences[2], differences[3]) > 1
    mirrored = seen_through(smooth, place(xx=-1.0))
    assert (mirrored - smooth.flip(3)).abs().max() < 0.2
    assert (mirrored - smooth).abs().max() > 1


def test_no_chance_changes_nothing_and_every_image_has_draws_of_its_own(images) -> None:
    torch.manual_seed(0)
    torch.testing.assert_close(ALL(images, 0.0), images, atol=1e-5, rtol=0)
    changed = ALL(images[:1].expand(6, -1, -1, -1), torch.tensor(1.0))
    assert len({image.numpy().tobytes() for image in changed}) == 6


def test_a_chance_is_kept() -> None:
    torch.manual_seed(0)
    happened = either(torch.ones(4000), torch.zeros(4000), 0.3).mean().item()
    assert happened == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 4000))


def test_two_turns_are_together_as_likely_as_one() -> None:
    torch.manual_seed(0)
    # Mirrors, quarter turns and stretches aside, the map of an image that is not turned has zeros off its diagonal.
    maps = random_maps(torch.zeros(3000, 1, 8, 8), 0.5)
    turned = (maps[:, 0, :2].abs().amin(dim=1) > 1e-4).float().mean().item()
    assert turned == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 3000))


def test_colours_by_hand(monkeypatch) -> None:
    image = torch.tensor([0.2, 0.4, 0.9]).view(1, 3, 1, 1)
    # A third of a circle exchanges the channels.
    turned = turned_hue(image, torch.tensor(2 * math.pi / 3))
    torch.testing.assert_close(turned, image.roll(1, dims=1))
    monkeypatch.setattr(torch, "rand", lambda *size, device: torch.zeros(*size))
    monkeypatch.setattr(torch, "randn", lambda *size, device: torch.ones(*size))
    monkeypatch.setattr(torch, "randint", lambda high, size, device: torch.ones(size, dtype=torch.long))
    # Brightness + 0.2, contrast x sqrt 2, inverted around 0, hue by -180 degrees, saturation x 2.
    bright = (image[:, :2] + 0.2) * math.sqrt(2)
    bright = bright - 2 * bright.mean(dim=1, keepdim=True)
    grey = bright.mean(dim=1, keepdim=True)
    torch.testing.assert_close(recoloured(image[:, :2], 1.0), grey + 2 * (bright - grey))
    # One channel is its own grey: inverting it turns its sign.
    torch.testing.assert_close(recoloured(image[:, :1], 1.0), -(image[:, :1] + 0.2) * math.sqrt(2))


def test_grey_images_stay_grey() -> None:
    torch.manual_seed(0)
    grey = torch.rand(8, 1, 32, 32).expand(-1, 3, -1, -1)
    changed = ALL(grey, 1.0)
    torch.testing.assert_close(changed[:, :1].expand(-1, 3, -1, -1), changed, atol=1e-4, rtol=0)


def test_cutout_clears_a_square_of_half_the_side() -> None:
    torch.manual_seed(0)
    cleared = (cut(torch.ones(200, 1, 16, 16), 1.0) == 0)[:, 0]
    heights, widths = cleared.any(dim=2).sum(dim=1), cleared.any(dim=1).sum(dim=1)
    assert torch.equal(cleared.sum(dim=(1, 2)), heights * widths)
    assert heights.max() == widths.max() == 8


def test_its_second_derivative_is_right() -> None:
    images = torch.randn(1, 1, 8, 8, dtype=torch.double, requires_grad=True)
    maps = place(xx=0.8, xy=0.3, x=0.7, yx=-0.2, yy=1.1, y=-1.3).double()

    def squared(seen):
        return seen_through(seen, maps.to(seen.dtype)).square().sum()

    assert gradgradcheck(squared, (images,), atol=1e-4)


def test_places_are_exact_in_reduced_precision(images) -> None:
    torch.manual_seed(0)
    full = ALL(images, 1.0)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ALL(images, 1.0), full)


def test_label_maps_are_moved_and_cut_and_never_recoloured() -> None:
    torch.manual_seed(0)
    images = torch.rand(32, 4, 16, 16).round() * 2 - 1
    coloured = Pipeline(geometry=0, colour=1)(images, 1.0, maps=3)
    assert torch.equal(coloured[:, 1:], images[:, 1:])
    assert not torch.equal(coloured[:, :1], images[:, :1])
    same = images[:, :1].expand(-1, 4, -1, -1)
    moved = Pipeline(geometry=1, colour=0, cutout=1)(same, 1.0, maps=3)
    assert not torch.equal(moved, same)
    torch.testing.assert_close(moved, moved[:, :1].expand(-1, 4, -1, -1))
