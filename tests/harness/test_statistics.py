"""What chance does to comparisons: numbers worked by hand and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from _comparisons import WORLDS, World, judge

from harness.tables.statistics import comparable, holm, level_with, paired_t, told_apart, why_no_test


def test_paired_t_by_hand() -> None:
    found = paired_t(np.array([[1.0], [2.0], [3.0], [2.0], [3.0], [4.0]]))
    # Mean 2.5, deviation sqrt(1.1), standard error sqrt(1.1 / 6) = 0.42817; t(5) at 97.5 % is 2.57058.
    assert found.mean == 2.5
    assert (found.low, found.high) == pytest.approx((2.5 - 1.10065, 2.5 + 1.10065), abs=1e-5)
    assert found.p == pytest.approx(0.00208, abs=5e-6)


def test_a_seed_is_one_observation_however_many_sets_it_has() -> None:
    """Copies of a set bring no information, where cells taken one by one would be three times as many."""
    alone = np.array([[1.0], [2.0], [3.0], [2.0], [3.0], [4.0]])
    assert paired_t(np.repeat(alone, 3, axis=1)) == pytest.approx(paired_t(alone))


def test_what_sets_differ_in_is_no_noise() -> None:
    """The sets are taken as they are: how much harder one is does not widen the interval over seeds."""
    noise = np.random.default_rng(0).normal(size=(6, 3))
    plain, moved = paired_t(noise), paired_t(noise + np.array([-5.0, 0.0, 5.0]))
    assert moved == pytest.approx(plain)


def test_differences_without_spread_have_a_mean_alone() -> None:
    found = paired_t(np.full((6, 1), 5.1) - 5.0)
    assert found.mean == pytest.approx(0.1)
    assert np.isnan([found.low, found.high, found.p]).all()


@pytest.mark.parametrize(
    ("seeds", "sets", "words"),
    [
        (5, 1, "5 pairs are too few"),
        (2, 2, "4 pairs are too few"),
        (1, 10, "one seed on each set"),
        (0, 3, "0 pairs are too few"),
        (6, 1, None),
        (3, 3, None),
    ],
)
def test_when_there_is_no_test(seeds: int, sets: int, words: str | None) -> None:
    why = why_no_test(np.random.default_rng(0).normal(size=(seeds, sets)))
    assert why is None if words is None else words in str(why)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1 are 0.03, 0.06, 0.04; none may be below the one before it.
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.4, 0.6])) == pytest.approx([0.8, 0.8])
    assert holm(np.array([0.7, 0.9])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([])).size == 0


def test_planted_differences_are_told_apart_and_no_others() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal([0.0, 0.0, 5.0], 0.5, size=(10, 3)).T[..., None]
    apart = told_apart(scores)
    assert apart.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    assert level_with([1, 0, 2], apart) == [1, 0]
    assert level_with([2], apart) == [2]
    assert not told_apart(scores[:1]).any()


def test_logarithms_only_where_a_ratio_has_a_meaning() -> None:
    fid = np.array([[[100.0, 10.0], [110.0, 11.0]], [[90.0, 9.0], [80.0, 8.0]]])
    scale, is_relative = comparable(fid, lower_is_better=True)
    assert is_relative
    assert np.array_equal(scale, np.log(fid))
    assert not comparable(fid[..., :1], lower_is_better=True)[1]  # one set has a scale of its own
    assert not comparable(fid, lower_is_better=False)[1]
    near_zero = fid.copy()
    near_zero[:, :, 1] = [[0.001, 0.004], [0.001, 0.002]]  # together 0.002, with a deviation of 0.0014
    assert not comparable(near_zero, lower_is_better=True)[1]
    negative = fid.copy()
    negative[1, 1, 1] = -0.0002
    scale, is_relative = comparable(negative, lower_is_better=True)
    assert not is_relative
    assert scale is negative


@pytest.mark.parametrize(("seeds", "sets"), [(6, 1), (3, 3), (10, 3)])
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.words)
def test_intervals_hold_the_planted_truth(world: World, seeds: int, sets: int) -> None:
    found = judge(world, seeds, sets, 4_000, np.random.default_rng(1))
    assert found.covered == pytest.approx(0.95, abs=0.03)
    assert found.false_positives == pytest.approx(0.05, abs=0.03)


def test_cells_of_lucky_seeds_are_not_independent() -> None:
    """Why seeds are averaged over sets: taken one by one, their cells promise more than they hold."""
    (lucky,) = (world for world in WORLDS if world.words == "seeds are lucky on all sets")
    assert judge(lucky, 6, 3, 4_000, np.random.default_rng(1)).cells < 0.88
