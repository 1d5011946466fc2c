import itertools

import numpy as np
import pytest
from measured import scores_of

from harness.api import Population, ScoreError
from harness.scoring.metrics import kernel
from harness.scoring.metrics.kernel import Among, KernelDistance
from harness.scoring.metrics.kernel import kernel_distance as between


def cloud(n, seed, shift=0.0, d=16):
    return shift + np.random.default_rng(seed).standard_normal((n, d))


def kernel_distance(x, y, patients=None):
    return between(Among.of(Population(x, patients)), Among.of(Population(y)))


def unbiased(x, y, patients=None):
    """Eq. 4 of Binkowski et al. written out over all pairs; of images of other patients, where there are some."""
    patients = range(len(x)) if patients is None else patients
    d = x.shape[1]

    def k(a, b):
        return (a @ b / d + 1) ** 3

    m, n = len(x), len(y)
    xx = np.mean(
        [k(x[i], x[j]) for i, j in itertools.permutations(range(m), 2) if patients[i] != patients[j]]
    )
    yy = sum(k(y[i], y[j]) for i, j in itertools.permutations(range(n), 2)) / (n * (n - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (m * n)


def error_by_leaving_out(x, y, patients):
    """The jackknife written out: the whole distance again without each patient and without each sample."""
    real = [unbiased(x[patients != one], y, patients[patients != one]) for one in np.unique(patients)]
    made = [unbiased(x, np.delete(y, j, axis=0), patients) for j in range(len(y))]
    return np.sqrt(sum((len(v) - 1) * np.var(v) for v in (real, made)))


@pytest.mark.parametrize("tile", [7, 1024])
def test_agrees_with_all_pairs_written_out_whatever_the_tiles(monkeypatch, tile):
    monkeypatch.setattr(kernel, "_TILE", tile)
    x, y = cloud(30, 0), cloud(23, 1, shift=0.5)
    patients = np.repeat([f"p{i}" for i in range(8)], [1, 2, 3, 4, 5, 5, 5, 5])
    distance, error = kernel_distance(x, y, patients)
    assert distance == pytest.approx(unbiased(x, y, patients), rel=1e-10, abs=1e-10)
    assert kernel_distance(x, y)[0] == pytest.approx(unbiased(x, y), rel=1e-10, abs=1e-10)
    assert error == pytest.approx(error_by_leaving_out(x, y, patients), rel=1e-10)


def test_three_equal_points_on_each_side_by_hand():
    # k(0, 0) = 1, k(2, 2) = (2 * 2 + 1)^3 = 125, k(0, 2) = 1.
    distance, error = kernel_distance(np.zeros((3, 1)), np.full((3, 1), 2.0))
    assert distance == pytest.approx(1 + 125 - 2)
    assert error == pytest.approx(0, abs=1e-12)


def test_equal_distributions_are_at_zero_at_any_number_of_images():
    # The Fréchet distance of these would grow several times from 200 down to 20 images; this one must not.
    for n in (20, 200):
        means = [kernel_distance(cloud(n, seed), cloud(n, seed + 100))[0] for seed in range(12)]
        assert abs(np.mean(means)) < 3 * np.std(means) / np.sqrt(12)


def test_slices_of_one_patient_are_no_sign_of_a_distance():
    # Ten equal slices a patient: with their pairs the distance would be far above 0.
    found = []
    for seed in range(60):
        x, patients = np.repeat(cloud(20, seed), 10, 0), np.repeat([f"p{i}" for i in range(20)], 10)
        found.append(kernel_distance(x, cloud(200, seed + 1000), patients)[0])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)


def test_order_and_repetition_give_the_same():
    x, y = cloud(30, 0), cloud(250, 1)
    assert kernel_distance(x, y) == kernel_distance(x, y)
    assert kernel_distance(x[::-1].copy(), y[::-1].copy()) == pytest.approx(kernel_distance(x, y), rel=1e-10)


def test_images_of_one_patient_are_not_independent():
    # The same image ten times over is no more known than once.
    x, y = cloud(20, 0), cloud(200, 1)
    patients = np.array([f"p{i}" for i in range(20)])
    once = kernel_distance(x, y, patients)[1]
    repeated = kernel_distance(np.repeat(x, 10, 0), y, np.repeat(patients, 10))[1]
    ignored = kernel_distance(np.repeat(x, 10, 0), y)[1]
    assert repeated == pytest.approx(once, rel=0.3)
    assert ignored < 0.6 * repeated


def test_held_out_patients_show_overfitting():
    train, held_out = cloud(80, 0), cloud(80, 1, shift=0.6)
    metric = KernelDistance("inception", "kid")
    scores = scores_of(metric, Population(train), Population(held_out), Population(cloud(80, 2)))
    assert scores["kid_overfit"] == scores["kid_held_out"] - scores["kid"]
    assert scores["kid_overfit"] > 3 * scores["kid_se"]


def test_one_patient_tells_nothing_of_others():
    scores = scores_of(
        KernelDistance("inception", "kid"),
        Population(cloud(9, 0), np.full(9, "p")),
        None,
        Population(cloud(9, 1)),
    )
    assert scores.keys() == {"kid"}


def test_a_single_image_is_an_error():
    with pytest.raises(ScoreError, match="at least 2"):
        kernel_distance(cloud(1, 0), cloud(50, 1))
