"""Pixels, augmentation and the order of batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.data.pictures import mosaic
from harness.data.pixels import to_model_range, to_store_range
from harness.errors import PluginError
from harness.training.augmentation import augmentation_caveats, augmented_once, compose, flip, shift


def test_stored_and_model_pixels_are_one_scale() -> None:
    stored = torch.tensor([0, 127, 255], dtype=torch.uint8)
    model = to_model_range(stored)
    assert model.tolist() == pytest.approx([-1.0, -1 / 255, 1.0])
    assert torch.equal(to_store_range(model), stored)
    everything = torch.arange(256).to(torch.uint8)
    assert torch.equal(to_store_range(to_model_range(everything)), everything)


def test_what_leaves_the_range_is_clamped() -> None:
    assert to_store_range(torch.tensor([-1.7, 1.2, 0.0])).tolist() == [0, 255, 128]


def test_flip_mirrors_about_half_of_the_images_and_no_pixel_more() -> None:
    torch.manual_seed(0)
    images = torch.rand(400, 1, 4, 4)
    flipped = flip(images, 0.0)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert 150 < int(mirrored.sum()) < 250


def test_shift_moves_by_whole_pixels_within_its_reach() -> None:
    torch.manual_seed(0)
    images = torch.full((300, 1, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    for reach, steps in ((0.125, {-2, -1, 0, 1, 2}), (1 / 64, {-1, 0, 1})):
        moved = shift(images, reach)
        places = moved.flatten(1).argmax(1)
        rows, columns = places // 16, places % 16
        assert set((rows - 8).tolist()) == set((columns - 8).tolist()) == steps
        assert (moved.flatten(1).sum(1) == -254.0).all()
    assert shift(torch.zeros(2, 3, 8, 8), 0.1).is_contiguous()


def test_what_a_shift_brings_in_is_the_edge() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(64.0).view(1, 1, 8, 8)
    seen = set()
    for moved in shift(ramp.expand(200, 1, 8, 8), 0.25):
        centre = int(moved[0, 4, 4])
        down, right = 4 - centre // 8, 4 - centre % 8
        seen.add((down, right))
        rows, columns = (torch.arange(8) - down).clamp(0, 7), (torch.arange(8) - right).clamp(0, 7)
        assert torch.equal(moved[0], ramp[0, 0][rows][:, columns])
    assert len(seen) == 25


def test_augmentations_are_composed_in_order_and_unknown_ones_refused() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(compose([], 0.1)(images)[0], images)
    assert compose(["flip", "shift"], 0.1)(images)[0].shape == images.shape
    with pytest.raises(PluginError, match="'rotate'"):
        compose(["rotate"], 0.1)


def test_two_modalities_are_moved_alike_and_one_as_if_alone() -> None:
    images = torch.rand(50, 3, 16, 16) * 2 - 1
    torch.manual_seed(0)
    (alone,) = compose(["flip", "shift"], 0.125)(images)
    torch.manual_seed(0)
    first, negative = compose(["flip", "shift"], 0.125)(images, -images)
    assert torch.equal(first, alone)
    assert not torch.equal(first, images)
    assert torch.equal(negative, -first)


def test_images_are_augmented_once_in_the_same_way_whatever_was_drawn_before() -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), np.uint8)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = augmented_once(images, ["flip", "shift"], 0.125)
    assert torch.equal(torch.rand(3), expected), "later draws don't depend on it"
    assert np.array_equal(augmented_once(images, ["flip", "shift"], 0.125), first)
    assert first.dtype == np.uint8
    assert np.array_equal(augmented_once(images, [], 0.125), images)
    mirrored = (augmented_once(images, ["flip"], 0.125) == images[..., ::-1]).all(axis=(1, 2, 3))
    assert 100 < mirrored.sum() < 200


def test_mirrored_images_are_told_where_a_data_set_does_not_say_that_they_may_be() -> None:
    assert augmentation_caveats(["flip", "shift"], ()) != ()
    assert augmentation_caveats(["flip"], ("up-down",)) != ()
    assert augmentation_caveats(["flip"], ("left-right",)) == ()
    assert augmentation_caveats(["shift"], ()) == ()


def test_mosaic_lays_images_out_on_white() -> None:
    sheet = mosaic(np.zeros((3, 1, 2, 2), np.uint8), 2, gap=1)
    assert sheet.shape == (1, 5, 5)
    assert sheet[0].tolist() == [
        [0, 0, 255, 0, 0],
        [0, 0, 255, 0, 0],
        [255, 255, 255, 255, 255],
        [0, 0, 255, 255, 255],
        [0, 0, 255, 255, 255],
    ]
