import numpy as np
import pytest
from measured import context_of, scores_of

from harness.api import Population
from harness.scoring.metrics.draws import halves, part
from harness.scoring.metrics.frechet import Frechet, frechet_distance, frechet_error


def cloud(n, seed, d=24, shift=0.0):
    return shift + np.random.default_rng(seed).standard_normal((n, d))


def context(train, generated, held_out=None):
    held_out = None if held_out is None else Population(held_out)
    values = context_of(Frechet("inception", "fid"), Population(train), held_out, Population(generated))
    return {name.removeprefix("fid_"): value for name, value in values.items()}


def test_halves_never_divide_a_patient_and_are_nearly_equal():
    patients = np.repeat([f"p{i}" for i in range(20)], np.random.default_rng(0).integers(1, 6, 20))
    population = Population(np.arange(len(patients)), patients)
    for seed in range(5):
        first, second = halves(population, np.random.default_rng(seed))
        assert sorted([*first, *second]) == list(range(len(patients)))
        assert not set(patients[first]) & set(patients[second])
        assert abs(len(first) - len(second)) <= 5


def test_one_patient_has_no_halves_and_images_without_patients_are_their_own():
    alone = Population(np.arange(6), np.full(6, "p"))
    assert sorted(map(len, halves(alone, np.random.default_rng(0)))) == [0, 6]
    assert context_of_one_patient() == set()
    anonymous = Population(np.arange(7))
    assert sorted(map(len, halves(anonymous, np.random.default_rng(0)))) == [3, 4]


def context_of_one_patient():
    train = Population(cloud(20, 0), np.full(20, "p"))
    values = context_of(Frechet("inception", "fid"), train, None, Population(cloud(20, 1)))
    return {name.removeprefix("fid_") for name in values}


def test_a_part_takes_whole_patients_as_far_as_they_go():
    patients = np.repeat(["a", "b", "c", "d"], 3)
    chosen = part(Population(np.arange(12), patients), 7, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 7
    assert sorted(np.unique(patients[chosen], return_counts=True)[1]) == [1, 3, 3]


def test_a_held_out_set_scores_as_halves_do():
    # Two samples of one distribution: far from 0 at this number of images, and just as far as halves.
    train, held_out = cloud(60, 0), cloud(60, 1)
    values = context(train, held_out)
    assert frechet_distance(train, held_out) > 3
    assert values["halves_n"] == 30
    assert values["at_halves"] == pytest.approx(values["halves"], rel=0.15)
    assert values["perfect"] == pytest.approx(values["halves"], rel=0.15)


def test_samples_of_another_distribution_are_farther_than_halves():
    values = context(cloud(60, 0), cloud(60, 1, shift=0.7))
    assert values["at_halves"] > 1.5 * values["halves"]


def test_halves_are_nearer_as_images_grow_in_number():
    few, many = context(cloud(40, 0), cloud(40, 1)), context(cloud(400, 0), cloud(400, 1))
    assert many["halves"] < 0.3 * few["halves"]


def test_the_standard_error_is_about_as_large_as_new_patients_and_samples_scatter():
    def patients(seed):
        rng = np.random.default_rng(seed)
        values = rng.standard_normal((40, 1, 24)) + 0.5 * rng.standard_normal((40, 5, 24))
        return Population(values.reshape(-1, 24), np.repeat([f"p{i}" for i in range(40)], 5))

    made = [cloud(200, seed, shift=0.7) for seed in range(100, 140)]
    scatter = np.std([frechet_distance(patients(s).values, fake) for s, fake in enumerate(made)])
    real = patients(50)
    assert frechet_error(real, Population(made[0])) == pytest.approx(scatter, rel=0.5)
    # Slices that were independent would tell more.
    assert frechet_error(Population(real.values), Population(made[0])) < 0.75 * scatter


def suspected(train, patients, fake):
    metric = Frechet("inception", "fid")
    train, fake = Population(train, patients), Population(fake)
    return bool(metric.caveats({}, context_of(metric, train, None, fake)))


@pytest.mark.parametrize("alike", [0, 0.8])
def test_copies_are_suspected_and_perfect_samples_are_not(alike):
    # Perfect samples are nearer than halves where slices of a patient are alike: that alone is no sign.
    rng = np.random.default_rng(0)
    own = rng.standard_normal((60, 1, 16)) * alike**0.5
    train = (own + rng.standard_normal((60, 6, 16)) * (1 - alike) ** 0.5).reshape(-1, 16)
    patients = np.repeat([f"p{i}" for i in range(60)], 6)
    copies = train + 0.1 * rng.standard_normal(train.shape)
    assert suspected(train, patients, copies)
    assert not suspected(train, patients, cloud(360, 1, d=16))
    assert not suspected(train, patients, cloud(360, 1, d=16, shift=0.5))
    assert not suspected(train, patients, np.repeat(cloud(3, 1, d=16), 120, 0))


def test_held_out_patients_are_measured_as_samples_are():
    values = context(cloud(60, 0), cloud(60, 1, shift=0.7), cloud(30, 2))
    assert values["unseen_n"] == 30
    assert values["at_unseen"] > 1.3 * values["unseen"]


def test_copies_of_training_images_look_perfect_and_overfit():
    train, held_out = cloud(60, 0), cloud(30, 1)
    metric = Frechet("inception", "fid")
    scores = scores_of(metric, Population(train), Population(held_out), Population(train.copy()))
    assert scores["fid"] == pytest.approx(0, abs=1e-9)
    assert scores["fid_held_out"] > 1
    copied = context(train, train.copy(), held_out)
    honest = context(train, cloud(60, 2), held_out)
    assert copied["overfit"] > 5 * abs(honest["overfit"])


def test_drawing_is_seeded():
    train, fake = cloud(30, 0), cloud(30, 1)
    assert context(train, fake) == context(train, fake)
