import mpmath
import numpy as np
import pytest
import scipy.linalg
from measured import scores_of

from harness.api import Population, ScoreError
from harness.scoring.metrics.frechet import Frechet, frechet_distance


def gaussian(n, d, seed, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * scale + shift


def by_root_of_product(x, y):
    """The textbook formula, as clean-fid computes it."""
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real


def by_80_digits(x, y):
    """The same with 80 digits: the trace of the root is the sum of the roots of the eigenvalues."""
    with mpmath.workdps(80):
        sides = [mpmath.matrix(side.tolist()) for side in (x, y)]
        means, covariances = [], []
        for side in sides:
            mean = [mpmath.fsum(side[:, j]) / side.rows for j in range(side.cols)]
            centred = side.copy()
            for i in range(side.rows):
                for j in range(side.cols):
                    centred[i, j] -= mean[j]
            means.append(mean)
            covariances.append(centred.T * centred / (side.rows - 1))
        s1, s2 = covariances
        values, vectors = mpmath.eigsy(s1)
        root = vectors * mpmath.diag([mpmath.sqrt(max(v, 0)) for v in values]) * vectors.T
        roots = [mpmath.sqrt(max(v, 0)) for v in mpmath.eigsy(root * s2 * root, eigvals_only=True)]
        trace = mpmath.fsum(s1[i, i] + s2[i, i] for i in range(s1.rows))
        shift = mpmath.fsum((a - b) ** 2 for a, b in zip(*means, strict=True))
        return float(shift + trace - 2 * mpmath.fsum(roots))


def test_one_dimension_by_hand():
    # Means 1 and 5, variances 2 and 8: (1 - 5)^2 + (sqrt 2 - sqrt 8)^2 = 16 + 2.
    assert frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])) == pytest.approx(18)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 50, 12), (50, 31, 12), (9, 20, 12), (7, 5, 12), (12, 13, 12)])
def test_agrees_with_80_digits(n, m, d):
    x, y = gaussian(n, d, 1), gaussian(m, d, 2, scale=1.3, shift=0.2)
    assert frechet_distance(x, y) == pytest.approx(by_80_digits(x, y), rel=1e-12)


@pytest.mark.parametrize("n", [40, 400])
def test_agrees_with_the_root_of_the_product_of_covariances(n):
    x, y = gaussian(n, 64, 1), gaussian(n, 64, 2, shift=0.5)
    assert frechet_distance(x, y) == pytest.approx(by_root_of_product(x, y), rel=1e-5)


@pytest.mark.parametrize(("n", "d"), [(60, 256), (600, 256)])
def test_equal_sets_are_at_distance_zero(n, d):
    x = gaussian(n, d, 3)
    assert abs(frechet_distance(x, x[::-1].copy())) < 1e-9 * np.trace(np.cov(x, rowvar=False)) / 1e3


@pytest.mark.parametrize("n", [15, 60])
def test_one_percent_of_noise_is_measured_and_not_lost_in_rounding(n):
    x = gaussian(n, 20, 4)
    y = x + 0.01 * np.random.default_rng(5).standard_normal(x.shape)
    assert frechet_distance(x, y) == pytest.approx(by_80_digits(x, y), rel=1e-6)


@pytest.mark.parametrize("n", [30, 200])
def test_dead_features_and_constant_sets_are_no_special_case(n):
    x, y = gaussian(n, 16, 6), gaussian(n, 16, 7)
    x[:, 3] = y[:, 3] = 2.0
    y[:, 5] = 0.0
    assert frechet_distance(x, y) == pytest.approx(by_80_digits(x, y), rel=1e-10)
    constant = np.ones((n, 16))
    expected = ((x.mean(0) - 1) ** 2).sum() + np.trace(np.cov(x, rowvar=False))
    assert frechet_distance(x, constant) == pytest.approx(expected, rel=1e-12)


def test_nearly_singular_tall_sets_leave_the_short_cut():
    # Standard deviations from 1 down to 1e-10: squared in a covariance, most of them drown in rounding.
    rng = np.random.default_rng(8)
    scale = 10.0 ** -np.linspace(0, 10, 24)
    x, y = rng.standard_normal((80, 24)) * scale, rng.standard_normal((80, 24)) * scale
    assert frechet_distance(x, y) == pytest.approx(by_80_digits(x, y), rel=1e-9)


def test_symmetric_and_blind_to_order():
    x, y = gaussian(30, 20, 9), gaussian(45, 20, 10)
    order = np.random.default_rng(0).permutation(30)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-12)
    assert frechet_distance(x[order], y) == pytest.approx(frechet_distance(x, y), rel=1e-12)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images_are_an_error(n):
    with pytest.raises(ScoreError, match="at least 2"):
        frechet_distance(gaussian(5, 4, 0), np.zeros((n, 4)))


def test_nan_and_other_dimensions_are_errors():
    x = gaussian(5, 4, 0)
    broken = x.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ScoreError, match="not finite"):
        frechet_distance(x, broken)
    with pytest.raises(ScoreError, match="one feature space"):
        frechet_distance(x, x[:, :3])


def test_the_score_carries_the_name_it_was_registered_with():
    x, y = gaussian(10, 4, 0), gaussian(10, 4, 1)
    metric = Frechet(space="inception-random", score="fd_random")
    scores = scores_of(metric, Population(x), None, Population(y))
    assert scores == {"fd_random": frechet_distance(x, y)}
    assert metric.goals == {"fd_random": "lower"}
    assert metric.needs == "inception-random"
