import numpy as np
import pytest
import torch

from harness.api import ScoreError
from harness.scoring.metrics.patches import (
    _mean_distance,
    _projections,
    laplacian_pyramid,
    sliced_wasserstein,
)


def waves(n, seed, period=16, side=32, noise=10):
    """Grey images of stripes with random phases: local structure that depends on ``period``."""
    rng = np.random.default_rng(seed)
    x = np.arange(side)[None, :] + rng.uniform(0, period, (n, 1))
    rows = 128 + 80 * np.sin(2 * np.pi * x / period)
    images = rows[:, None, None, :] + rng.normal(0, noise, (n, 1, side, side))
    return images.clip(0, 255).astype(np.uint8)


def test_samples_with_the_same_structure_are_near_and_others_far():
    real = waves(60, 0)
    same, finer = sliced_wasserstein(real, waves(60, 1)), sliced_wasserstein(real, waves(60, 1, period=6))
    assert sliced_wasserstein(real, real) == 0
    assert 0 < same < 30
    assert finer > 5 * same


def test_brightness_and_contrast_of_a_whole_set_are_invisible_by_convention():
    # Each side is normalised by its own mean and deviation: structure counts, not exposure.
    real = waves(40, 0)
    darker = (real // 2 + 10).astype(np.uint8)
    assert sliced_wasserstein(real, darker) < 30


def test_a_grey_image_counts_the_same_in_one_channel_and_in_three():
    real, fake = waves(20, 0), waves(20, 1, period=9)
    in_three = sliced_wasserstein(np.repeat(real, 3, 1), np.repeat(fake, 3, 1))
    assert in_three == sliced_wasserstein(real, fake)


def test_colour_is_structure_too():
    real = np.repeat(waves(20, 0), 3, 1)
    tinted = real.copy()
    tinted[:, 0] = 255 - tinted[:, 0]
    assert sliced_wasserstein(real, tinted) > 100


def test_order_does_not_matter_and_sizes_may_differ():
    real, fake = waves(30, 0), waves(45, 1, period=9)
    assert sliced_wasserstein(real[::-1], fake) == sliced_wasserstein(real, fake)
    assert sliced_wasserstein(real, fake[:30]) == pytest.approx(sliced_wasserstein(real, fake), rel=0.1)


def test_the_pyramid_can_be_put_together_again_and_ends_at_16_pixels():
    images = torch.rand(2, 1, 64, 64)
    levels = laplacian_pyramid(images)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    # A constant has no detail: all of it stays in the coarsest level, the borders included.
    detail = laplacian_pyramid(torch.full((1, 1, 32, 32), 200.0))
    assert detail[0].abs().max() < 1e-3
    assert torch.allclose(detail[1], torch.tensor(200.0), atol=1e-3)


def test_a_pixel_is_blurred_to_the_binomial_weights():
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 16, 16] = 256
    coarse = laplacian_pyramid(image)[-1]
    # Weights (1 4 6 4 1)/16 in both directions, at every second pixel: 6*6, 6*1 and 1*1 of 256.
    assert coarse[0, 0, 8, 8] == pytest.approx(36)
    assert coarse[0, 0, 8, 9] == pytest.approx(6)
    assert coarse[0, 0, 9, 9] == pytest.approx(1)


def test_projected_distance_of_shifted_clouds():
    # Along a unit direction v, a cloud moved by s is |s.v| away; the mean over directions in 2-D is |s| 2/pi.
    cloud = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 2))).float()
    moved = cloud + torch.tensor([3.0, 4.0])
    distance = _mean_distance(_projections(1, cloud), _projections(1, moved))
    assert distance == pytest.approx(5 * 2 / np.pi, rel=0.05)


def test_constant_images_have_no_structure():
    constant = np.full((10, 1, 32, 32), 77, np.uint8)
    assert sliced_wasserstein(constant, constant + 3) == 0
    assert sliced_wasserstein(waves(10, 0), constant) > 100


def test_bad_images_are_errors():
    real = waves(4, 0)
    with pytest.raises(ScoreError, match="uint8"):
        sliced_wasserstein(real, real.astype(np.float32))
    with pytest.raises(ScoreError, match="one size"):
        sliced_wasserstein(real, waves(4, 0, side=16))
    with pytest.raises(ScoreError, match="no images"):
        sliced_wasserstein(real, real[:0])
    with pytest.raises(ScoreError, match="at least 7"):
        sliced_wasserstein(real[..., :5, :5], real[..., :5, :5])
