"""Pixels, augmentation and the order of batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.data.pictures import mosaic
from harness.data.pixels import to_model_range, to_store_range
from harness.errors import PluginError
from harness.training.augmentation import compose, flip, shift


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
    flipped = flip(images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    same = (flipped == images).flatten(1).all(1)
    assert (mirrored | same).all()
    assert 150 < int(mirrored.sum()) < 250


def test_shift_moves_by_whole_pixels_and_fills_with_black() -> None:
    torch.manual_seed(0)
    images = torch.full((300, 1, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    moved = shift(images)
    places = moved.flatten(1).argmax(1)
    rows, columns = places // 16, places % 16
    assert set((rows - 8).tolist()) == set((columns - 8).tolist()) == {-2, -1, 0, 1, 2}
    assert (moved.flatten(1).sum(1) == -254.0).all()
    assert shift(torch.zeros(2, 3, 8, 8)).is_contiguous()


def test_shift_brings_nothing_in_from_the_other_side() -> None:
    torch.manual_seed(0)
    images = torch.ones(200, 1, 8, 8)
    moved = shift(images)
    assert ((moved == 1) | (moved == -1)).all()
    full = (moved == 1).flatten(1).all(1)
    # A shift of 0 in both directions: one of 3 x 3.
    assert 5 < int(full.sum()) < 50


def test_augmentations_are_composed_in_order_and_unknown_ones_refused() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(compose([])(images)[0], images)
    assert compose(["flip", "shift"])(images)[0].shape == images.shape
    with pytest.raises(PluginError, match="'rotate'"):
        compose(["rotate"])


def test_two_modalities_are_moved_alike_and_one_as_if_alone() -> None:
    images = torch.rand(50, 3, 16, 16) * 2 - 1
    torch.manual_seed(0)
    (alone,) = compose(["flip", "shift"])(images)
    torch.manual_seed(0)
    first, negative = compose(["flip", "shift"])(images, -images)
    assert torch.equal(first, alone)
    assert not torch.equal(first, images)
    # What enters is black in both; the rest are the same places.
    assert ((negative == -first) | ((first == -1) & (negative == -1))).all()


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
