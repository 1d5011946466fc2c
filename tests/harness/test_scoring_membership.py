import numpy as np
import pytest
from measured import CPU
from scipy.stats import mannwhitneyu

from harness.api import Population, ScoreError
from harness.running.foreign import score_foreign
from harness.running.foreign_request import ForeignRequest
from harness.running.scorers import ScoringPlace
from harness.scoring.metrics.membership import MembershipAUC, membership
from harness.scoring.weights import Weights


def people(count, slices, seed, d=12):
    """Features of patients whose slices are alike."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((count, 1, d))
    values = own + 0.5 * rng.standard_normal((count, slices, d))
    return Population(values.reshape(-1, d), np.repeat([f"{seed}-{n}" for n in range(count)], slices))


@pytest.fixture(scope="module")
def real():
    return people(60, 4, 1), people(45, 4, 2)


def judged(real, samples):
    metric = MembershipAUC("inception-random", "mia_auc_random")
    reference = metric.reference(*real)
    scores = metric.compute(reference, Population(samples), CPU)
    context = metric.context(reference, Population(samples), CPU)
    return scores["mia_auc_random"], context, metric.caveats(scores, context)


def test_a_copier_is_told_for_certain_even_with_a_little_noise(real):
    train = real[0].values
    for copies in (train, train + 0.05 * np.random.default_rng(0).standard_normal(train.shape)):
        auc, context, notes = judged(real, copies)
        assert auc > 0.99
        # Where nearly everything is in the right order no interval is known to cover, and none is given.
        assert "mia_auc_random_low" not in context
        assert "samples tell who was trained on" in notes[0]


def test_who_copies_an_eighth_is_told_by_an_interval_above_a_half(real):
    samples = people(60, 4, 3).values
    samples[:30] = real[0].values[::8]
    auc, context, notes = judged(real, samples)
    assert 0.6 < auc < 0.9
    assert 0.5 < context["mia_auc_random_low"] < auc < context["mia_auc_random_high"]
    assert "samples tell who was trained on" in notes[0]


def test_a_perfect_generator_of_new_patients_gives_nothing_away(real):
    found = [judged(real, people(60, 4, seed).values) for seed in range(10, 30)]
    areas = np.array([auc for auc, _, _ in found])
    # The real patients are the same in all of them, so areas scatter around that choice's, not around 0.5.
    assert abs(areas.mean() - 0.5) < 0.1
    assert sum(bool(notes) for _, _, notes in found) <= 2
    assert all(
        context["mia_auc_random_low"] < auc < context["mia_auc_random_high"] for auc, context, _ in found
    )


def test_the_area_is_that_of_a_rank_test_and_ties_count_half():
    rng = np.random.default_rng(0)
    train, new = rng.integers(0, 9, 50).astype(float), rng.integers(1, 10, 30).astype(float)
    found = membership(train, np.arange(50), new, np.arange(30))
    statistic = mannwhitneyu(new, train, method="asymptotic").statistic
    assert found.auc == pytest.approx(statistic / (50 * 30), abs=1e-12)
    assert membership(np.ones(9), np.arange(9), np.ones(7), np.arange(7)).auc == 0.5


def test_its_error_by_hand():
    """Train 1 and 3, new 2 and 4: placements 1 and 1/2 on either side, so each variance is 2 (1/4)^2 2 / 4."""
    found = membership(np.array([1.0, 3.0]), np.arange(2), np.array([2.0, 4.0]), np.arange(2))
    assert found.auc == 0.75
    assert found.error == pytest.approx((2 * (2 * 2 * (1 / 4) ** 2 / 4)) ** 0.5)
    assert found.interval is None


def test_slices_of_a_patient_are_no_independent_evidence(real):
    near = np.repeat(np.random.default_rng(0).standard_normal(50), 4)
    far = np.repeat(np.random.default_rng(1).standard_normal(50), 4)
    patients = np.repeat(np.arange(50), 4)
    together = membership(near, patients, far, patients)
    alone = membership(near[::4], np.arange(50), far[::4], np.arange(50))
    assert together.auc == pytest.approx(alone.auc)
    assert together.error == pytest.approx(alone.error)
    assert together.interval == pytest.approx(alone.interval)


def test_without_held_out_patients_it_is_an_error_before_anything_is_computed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 16, 16), dtype=np.uint8)
    place = ScoringPlace(CPU, tmp_path, Weights(tmp_path, online=False))
    request = ForeignRequest(images, images, metrics=("mia_auc_radiomics",))
    with pytest.raises(ScoreError, match="none are held out") as caught:
        score_foreign(request, place)
    assert "--held-out" in caught.value.hint


def test_few_held_out_patients_have_a_score_and_no_interval(tmp_path):
    made = np.random.default_rng(0).integers(0, 256, (24, 1, 32, 32), dtype=np.uint8)
    place = ScoringPlace(CPU, tmp_path, Weights(tmp_path, online=False))
    request = ForeignRequest(
        made, dataset="phantom", settings={"images": 40}, metrics=("mia_auc_radiomics",), held_out=True
    )
    report = score_foreign(request, place).report
    assert 0 <= report.scores["mia_auc_radiomics"] <= 1
    assert "mia_auc_radiomics_low" not in report.context
