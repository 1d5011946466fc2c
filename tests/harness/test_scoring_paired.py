import numpy as np
import pytest
import torch
from measured import context_of, scores_of

from harness.api import Population, ScoreError, Targets
from harness.scoring.metrics import paired, structure
from harness.scoring.metrics.paired import PairedScore


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


def test_inside_a_region_nothing_else_counts():
    # Errors by hand: 10 grey values in the left half, 40 in one pixel on the right.
    target = np.full((2, 3, 16, 16), 100, dtype=np.uint8)
    translated = target.copy()
    translated[:, :, :, :8] += 10
    translated[:, :, 3, 12] += 40
    left, pixel = np.zeros((2, 2, 1, 16, 16), dtype=bool)
    left[..., :8] = True
    pixel[:, :, 3, 12] = True
    assert paired.mae(target, translated, left) == pytest.approx(np.full(2, 10 / 255))
    assert paired.mae(target, translated, pixel) == pytest.approx(np.full(2, 40 / 255))
    assert paired.mae(target, translated) == pytest.approx(np.full(2, (128 * 10 + 40) / 256 / 255))
    assert paired.psnr(target, translated, left) == pytest.approx(np.full(2, 10 * np.log10(255**2 / 100)))
    assert paired.psnr(target, translated, pixel) == pytest.approx(np.full(2, 10 * np.log10(255**2 / 1600)))
    assert paired.psnr(target, translated, ~(left | pixel)).tolist() == [100, 100]


def test_ssim_inside_a_region_is_of_the_windows_centred_there():
    target, translated = pair()
    region = np.zeros((3, 1, 32, 32), dtype=bool)
    region[:, :, 5:9, 20] = True
    a, b = (torch.from_numpy(images).double() for images in (target, translated))
    expected = structure.ssim_map(a, b)[:, 0, 0:4, 15].mean(1)
    assert paired.ssim(target, translated, region) == pytest.approx(expected.numpy())
    everywhere = np.ones_like(region)
    assert paired.ssim(target, translated, everywhere) == pytest.approx(paired.ssim(target, translated))


@pytest.mark.parametrize("score", ["psnr", "ssim", "mae"])
def test_empty_regions_are_left_out_and_counted(score):
    target, translated = pair()
    translated[1] += 20
    some, nowhere = np.zeros((2, 3, 1, 32, 32), dtype=bool)
    some[1:, :, 8:20, 8:20] = True
    generated = Population(translated, targets=Targets(target, {"some": some, "nowhere": nowhere}))
    metric = PairedScore(score)
    scores = scores_of(metric, Population(target), None, generated)
    measure = getattr(paired, score)
    assert scores.keys() == {score, f"{score}/some"}
    assert scores[score] == pytest.approx(measure(target, translated).mean())
    assert scores[f"{score}/some"] == pytest.approx(measure(target, translated, some)[1:].mean())
    counts = context_of(metric, Population(target), None, generated)
    assert counts == {f"{score}/some_n": 2, f"{score}/nowhere_n": 0}
