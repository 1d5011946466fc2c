import itertools

import numpy as np
import pytest
from measured import scores_of

from harness.api import Population, ScoreError
from harness.scoring.metrics.kernel import KernelDistance, kernel_distance


def cloud(n, seed, shift=0.0, d=16):
    return shift + np.random.default_rng(seed).standard_normal((n, d))


def unbiased(x, y):
    """Eq. 4 of Binkowski et al. written out over all pairs."""
    d = x.shape[1]

    def k(a, b):
        return (a @ b / d + 1) ** 3

    m, n = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (m * n)


def test_four_against_four_by_hand():
    # Subsets of two out of four equal points each: k(0, 0) = 1, k(2, 2) = (2 * 2 + 1)^3 = 125, k(0, 2) = 1.
    mean, spread = kernel_distance(np.zeros((4, 1)), np.full((4, 1), 2.0))
    assert mean == pytest.approx(1 + 125 - 2)
    assert spread == pytest.approx(0)


def test_mean_over_subsets_estimates_the_distance_over_all_pairs():
    x, y = cloud(60, 0), cloud(60, 1, shift=0.5)
    mean, spread = kernel_distance(x, y)
    assert mean == pytest.approx(unbiased(x, y), abs=3 * spread / 10)


def test_equal_distributions_are_at_zero_at_any_number_of_images():
    # The Fréchet distance of these would grow several times from 200 down to 20 images; this one must not.
    for n in (20, 200):
        means = [kernel_distance(cloud(n, seed), cloud(n, seed + 100))[0] for seed in range(12)]
        assert abs(np.mean(means)) < 3 * np.std(means) / np.sqrt(12)


def test_subsets_are_half_at_most_so_the_spread_is_real():
    assert kernel_distance(cloud(12, 0), cloud(12, 1))[1] > 1e-3


def test_sizes_may_differ_and_repetition_gives_the_same():
    x, y = cloud(30, 0), cloud(250, 1)
    assert kernel_distance(x, y) == kernel_distance(x, y)


def test_held_out_patients_show_overfitting():
    train, held_out = cloud(80, 0), cloud(80, 1, shift=0.6)
    metric = KernelDistance("inception", "kid")
    scores = scores_of(metric, Population(train), Population(held_out), Population(cloud(80, 2)))
    assert scores["kid_overfit"] == scores["kid_held_out"] - scores["kid"]
    assert scores["kid_overfit"] > 5 * scores["kid_std"] / 10


def test_fewer_than_four_images_are_an_error():
    with pytest.raises(ScoreError, match="at least 4"):
        kernel_distance(cloud(3, 0), cloud(50, 1))
