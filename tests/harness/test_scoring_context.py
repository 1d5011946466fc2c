import numpy as np
import pytest
from measured import context_of, scores_of

from harness.api import Population
from harness.scoring.metrics.draws import halves, part
from harness.scoring.metrics.frechet import Frechet, frechet_distance


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
    assert context_of_one_patient() == {"low", "high"}
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


def test_a_held_out_set_scores_at_the_floor():
    # Two samples of one distribution: far from 0 at this number of images, and just as far as the floor.
    train, held_out = cloud(60, 0), cloud(60, 1)
    values = context(train, held_out)
    assert frechet_distance(train, held_out) > 3
    assert values["floor_n"] == 30
    assert values["at_floor"] == pytest.approx(values["floor"], rel=0.15)


def test_samples_of_another_distribution_are_above_the_floor():
    values = context(cloud(60, 0), cloud(60, 1, shift=0.7))
    assert values["at_floor"] > 1.5 * values["floor"]


def test_the_floor_falls_as_images_grow_in_number():
    few, many = context(cloud(40, 0), cloud(40, 1)), context(cloud(400, 0), cloud(400, 1))
    assert many["floor"] < 0.3 * few["floor"]


def test_the_interval_holds_the_distance_and_shrinks_with_n():
    widths = []
    for n in (50, 800):
        train, fake = cloud(n, 0), cloud(n, 1, shift=0.7)
        values = context(train, fake)
        assert values["low"] < frechet_distance(train, fake) < values["high"]
        widths.append(values["high"] - values["low"])
    assert widths[1] < 0.5 * widths[0]


def test_the_interval_is_about_as_wide_as_new_samples_scatter():
    train = cloud(200, 0)
    scatter = np.std([frechet_distance(cloud(200, s), cloud(200, s + 50, shift=0.7)) for s in range(1, 40)])
    values = context(train, cloud(200, 1, shift=0.7))
    assert (values["high"] - values["low"]) / (2 * 1.96) == pytest.approx(scatter, rel=0.5)


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
