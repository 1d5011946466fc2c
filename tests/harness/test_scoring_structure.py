import numpy as np
import pytest
import torch
from measured import scores_of
from scipy.ndimage import gaussian_filter

from harness.api import Population, ScoreError
from harness.scoring.metrics.structure import (
    PairwiseMSSSIM,
    draw_pairs,
    mean_pairwise_ms_ssim,
    ms_ssim,
    pairwise_ms_ssim,
    ssim_map,
)


def noise(n, seed, side=64):
    return np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8)


def smooth(n, seed, side=64):
    raw = np.random.default_rng(seed).normal(size=(n, 1, side, side))
    blurred = gaussian_filter(raw, (0, 0, 4, 4))
    return (128 + 50 * blurred / blurred.std()).clip(0, 255).astype(np.uint8)


def reference(a, b, scales):
    """MS-SSIM of two (H, W) images with scipy's filter: an implementation that shares no line with ours."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])
    weights /= weights.sum()
    result = 1.0
    for k in range(scales):

        def local(x):
            return gaussian_filter(x, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

        va, vb = local(a * a) - local(a) ** 2, local(b * b) - local(b) ** 2
        cs = (2 * (local(a * b) - local(a) * local(b)) + 58.5225) / (va + vb + 58.5225)
        lum = (2 * local(a) * local(b) + 6.5025) / (local(a) ** 2 + local(b) ** 2 + 6.5025)
        term = (cs * lum if k == scales - 1 else cs).mean()
        result *= max(term, 0) ** weights[k]
        half = len(a) // 2
        a, b = (x[: 2 * half, : 2 * half].reshape(half, 2, half, 2).mean((1, 3)) for x in (a, b))
    return result


@pytest.mark.parametrize(("side", "scales"), [(64, 3), (32, 2), (16, 1), (176, 5)])
def test_agrees_with_a_second_implementation(side, scales):
    a = smooth(3, 0, side).astype(float)
    b = (0.6 * a + 0.4 * smooth(3, 1, side)).round()
    ours = ms_ssim(torch.from_numpy(a), torch.from_numpy(b))
    expected = [reference(x[0], y[0], scales) for x, y in zip(a, b, strict=True)]
    assert ours.numpy() == pytest.approx(np.array(expected), rel=1e-9)


def test_ssim_of_constant_images_by_hand():
    # No variance, so only luminance counts: (2 * 100 * 150 + C1) / (100^2 + 150^2 + C1).
    a, b = torch.full((1, 1, 16, 16), 100.0).double(), torch.full((1, 1, 16, 16), 150.0).double()
    assert ssim_map(a, b).mean().item() == pytest.approx((30000 + 6.5025) / (32500 + 6.5025), rel=1e-12)


def test_one_image_over_and_over_scores_one():
    assert mean_pairwise_ms_ssim(np.repeat(smooth(1, 0), 5, 0)) == pytest.approx(1)


def test_a_collapsed_generator_scores_higher_than_a_diverse_one():
    two_modes = np.repeat(smooth(2, 0), 10, 0)
    assert mean_pairwise_ms_ssim(two_modes) > mean_pairwise_ms_ssim(smooth(20, 1)) + 0.2


def test_real_pairs_stand_beside_the_samples():
    real, fake = smooth(6, 0), noise(6, 1)
    scores = scores_of(PairwiseMSSSIM(), Population(real), None, Population(fake))
    assert scores["ms_ssim"] == mean_pairwise_ms_ssim(fake)
    assert scores["ms_ssim_real"] == mean_pairwise_ms_ssim(real)
    assert scores["ms_ssim_gap"] == abs(scores["ms_ssim"] - scores["ms_ssim_real"])


def test_neither_noise_nor_collapse_wins():
    # Judged by the mean alone, noise would be the most diverse generator of all.
    real = Population(smooth(30, 0))
    gaps = {
        name: scores_of(PairwiseMSSSIM(), real, None, Population(fake))["ms_ssim_gap"]
        for name, fake in (
            ("honest", smooth(30, 1)), ("noise", noise(30, 1)), ("collapsed", np.repeat(smooth(2, 2), 15, 0)),
        )
    }  # fmt: skip
    assert PairwiseMSSSIM().goals == {"ms_ssim_gap": "lower"}
    assert min(gaps, key=gaps.get) == "honest"


def test_a_patient_counts_once_however_many_images_it_has():
    images, patients = smooth(15, 0), np.array([f"p{i}" for i in range(15)])
    once = pairwise_ms_ssim(Population(images, patients)).error
    ten_times = Population(np.repeat(images, 10, 0), np.repeat(patients, 10))
    assert pairwise_ms_ssim(ten_times).error > 0.7 * once
    assert pairwise_ms_ssim(Population(ten_times.values)).error < 0.7 * pairwise_ms_ssim(ten_times).error
    assert pairwise_ms_ssim(Population(images, np.full(15, "p"))).error is None


def test_two_images_are_enough_and_one_is_an_error():
    pair = smooth(2, 0)
    whole = torch.from_numpy(pair).double()
    assert mean_pairwise_ms_ssim(pair) == pytest.approx(ms_ssim(whole[:1], whole[1:]).item())
    with pytest.raises(ScoreError, match="at least 2"):
        mean_pairwise_ms_ssim(pair[:1])


def test_order_and_stored_channels_do_not_matter():
    images = smooth(60, 2, side=16)
    assert mean_pairwise_ms_ssim(images[::-1]) == pytest.approx(mean_pairwise_ms_ssim(images), rel=1e-12)
    assert mean_pairwise_ms_ssim(np.repeat(images, 3, 1)) == mean_pairwise_ms_ssim(images)


@pytest.mark.parametrize(("n", "most"), [(2, 10), (5, 10), (6, 10), (100, 1000), (7000, 1000)])
def test_pairs_are_distinct_and_never_of_an_image_with_itself(n, most):
    first, second = draw_pairs(n, most)
    assert len(first) == min(most, n * (n - 1) // 2)
    assert (first < second).all()
    assert first.min() >= 0
    assert second.max() < n
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(first)


def test_images_smaller_than_the_window_are_an_error():
    with pytest.raises(ScoreError, match="at least 11"):
        mean_pairwise_ms_ssim(noise(3, 0, side=8))
