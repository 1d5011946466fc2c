import numpy as np
import pytest

from harness.api import ScoreError
from harness.scoring import paired


def pair():
    target = np.random.default_rng(0).integers(20, 200, (3, 1, 32, 32), dtype=np.uint8)
    return target, target + np.uint8(10)


def test_psnr_and_mae_of_a_constant_error_by_hand():
    target, translated = pair()
    # Ten grey values off everywhere: MSE 100, so 10 log10(65025 / 100) dB; 10 / 255 of the range.
    assert paired.psnr(target, translated) == pytest.approx(np.full(3, 28.1308036), abs=1e-6)
    assert paired.mae(target, translated) == pytest.approx(np.full(3, 10 / 255))
    # The order of subtraction must not wrap around in uint8.
    assert paired.mae(translated, target) == pytest.approx(paired.mae(target, translated))


def test_equal_images_are_perfect_and_finite():
    target, _ = pair()
    assert paired.psnr(target, target).tolist() == [100, 100, 100]
    assert paired.ssim(target, target) == pytest.approx(np.ones(3))
    assert paired.mae(target, target).tolist() == [0, 0, 0]


def test_pairs_are_not_shuffled():
    target, _ = pair()
    swapped = target[[0, 2, 1]]
    assert paired.mae(target, swapped)[0] == 0
    assert (paired.mae(target, swapped)[1:] > 0).all()
    assert paired.ssim(target, swapped)[1] < 0.5


def test_ssim_falls_with_noise():
    target, _ = pair()
    noise = np.random.default_rng(1).integers(-20, 20, target.shape)
    values = [paired.ssim(target, (target + k * noise).clip(0, 255).astype(np.uint8)).mean() for k in (1, 2)]
    assert 1 > values[0] > values[1]


def test_what_is_not_a_pair_is_an_error():
    target, translated = pair()
    for other in (translated[:2], np.repeat(translated, 3, 1), translated[..., :16]):
        with pytest.raises(ScoreError, match="pairs"):
            paired.psnr(target, other)
    with pytest.raises(ScoreError, match="pairs"):
        paired.mae(target[:0], target[:0])
    with pytest.raises(ScoreError, match="uint8"):
        paired.ssim(target.astype(float), target.astype(float))
