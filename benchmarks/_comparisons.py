"""Simulated scores of known truth, and how often each way to compare them holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from harness.tables.statistics import Floats, has_ratios, holm, paired_t, told_apart, why_no_test

RESAMPLINGS = 1_000
BOOTSTRAPPED = 2_000
"""Repetitions of the bootstrap, which is slow."""
DIFFERENCE = 0.5
"""What A is truly worse, in deviations of the noise."""


@dataclass(frozen=True)
class World:
    """How scores come about; deviations in units of the noise of B.

    Attributes:
        words: What is special about it.
        skewed: Exponential noise (skewness 2) instead of normal.
        spread: Deviation of A's noise.
        on_sets: Deviation of what a set does to a model: part of the truth on these sets.
        of_seeds: Deviation of what a seed does to all of a model's sets.
        uneven: Each further set has twice the noise of the one before.
    """

    words: str
    skewed: bool = False
    spread: float = 1.0
    on_sets: float = 0.0
    of_seeds: float = 0.0
    uneven: bool = False


WORLDS = (
    World("normal noise"),
    World("skewed noise", skewed=True),
    World("skewed, and twice as much of A", skewed=True, spread=2.0),
    World("sets differ, each noisier than the last", on_sets=3.0, uneven=True),
    World("seeds are lucky on all sets", of_seeds=1.0),
    World("all of this", skewed=True, spread=2.0, on_sets=3.0, of_seeds=1.0, uneven=True),
)


class Judged(NamedTuple):
    """Shares of repetitions; None where nothing is shown."""

    covered: float | None
    false_positives: float | None
    cells: float
    flips: float | None
    bootstrap: float


def noise(rng: np.random.Generator, shape: tuple[int, ...], skewed: bool) -> Floats:
    """Noise of mean 0 and deviation 1."""
    return rng.exponential(size=shape) - 1 if skewed else rng.standard_normal(shape)


def draw(
    world: World, count: int, models: int, seeds: int, sets: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Scores (count, models, seeds, sets) and their true means on these sets (count, models)."""
    effects = world.on_sets * rng.standard_normal((count, models, 1, sets))
    scale = np.ones((models, 1, sets))
    scale[0] *= world.spread
    if world.uneven:
        scale = scale * 2.0 ** np.arange(sets)
    lucky = world.of_seeds * noise(rng, (count, models, seeds, 1), world.skewed)
    shared = rng.standard_normal(
        (count, 1, seeds, 1)
    )  # what a seed does to both models; pairs are free of it
    scores = effects + shared + lucky + scale * noise(rng, (count, models, seeds, sets), world.skewed)
    return scores, effects.mean(axis=(2, 3))


def judge(world: World, seeds: int, sets: int, count: int, rng: np.random.Generator) -> Judged:
    """How often each way to judge the differences holds the truth."""
    scores, means = draw(world, count, 2, seeds, sets, rng)
    # The truth is moved and not drawn: 0 for false positives, DIFFERENCE for coverage.
    noise_alone = scores[:, 0] - scores[:, 1] - (means[:, 0] - means[:, 1])[:, None, None]
    shown = why_no_test(noise_alone[0]) is None
    found = paired_t(noise_alone + DIFFERENCE)
    covered = np.mean((found.low <= DIFFERENCE) & (found.high >= DIFFERENCE))
    return Judged(
        covered=float(covered) if shown else None,
        false_positives=float(np.mean(paired_t(noise_alone).p < 0.05)) if shown else None,
        cells=covered_by_cells(noise_alone),
        flips=covered_by_flips(noise_alone) if seeds >= 6 else None,
        bootstrap=covered_by_bootstrap(noise_alone[:BOOTSTRAPPED], rng),
    )


def covered_by_cells(noise_alone: Floats) -> float:
    """A t interval that takes every cell for an observation, within its set (Welch-Satterthwaite)."""
    _, seeds, sets = noise_alone.shape
    variances = noise_alone.var(axis=1, ddof=1) / seeds / sets**2
    total = variances.sum(axis=1)
    freedom = total**2 / (variances**2 / (seeds - 1)).sum(axis=1)
    return float(
        np.mean(np.abs(noise_alone.mean(axis=(1, 2))) <= stats.t.ppf(0.975, freedom) * np.sqrt(total))
    )


def covered_by_flips(noise_alone: Floats) -> float:
    """The exact sign-flip permutation test of seeds; of fewer than 6 it can't reach 5 %."""
    by_seed = noise_alone.mean(axis=2)
    seeds = by_seed.shape[1]
    signs = 1.0 - 2.0 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    covered = [
        np.mean(np.abs(part @ signs.T) >= np.abs(part.sum(axis=1))[:, None] * (1 - 1e-12), axis=1) >= 0.05
        for part in np.array_split(by_seed, 20)
    ]
    return float(np.mean(np.concatenate(covered)))


def covered_by_bootstrap(noise_alone: Floats, rng: np.random.Generator) -> float:
    """The percentile bootstrap over the pairs of each set."""
    _, seeds, sets = noise_alone.shape
    means = sum(
        noise_alone[:, :, at] @ rng.multinomial(seeds, [1 / seeds] * seeds, RESAMPLINGS).T / seeds / sets
        for at in range(sets)
    )
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return float(np.mean((low <= 0) & (high >= 0)))


def judge_ratios(
    seeds: int, sets: int, spread: float, count: int, rng: np.random.Generator
) -> tuple[float, float | None, float | None]:
    """Distances of sets of very different level, A truly 10 % larger, with log-normal noise.

    Returns:
        The spread, how many comparisons are shown in percent, and the coverage of these.
    """
    level = 10.0 ** np.arange(sets) * np.array([1.1, 1.0])[:, None, None]
    scores = level * np.exp(spread * rng.standard_normal((count, 2, seeds, sets)))
    logarithms = np.log(scores[:, 0]) - np.log(scores[:, 1])
    if sets == 1 or why_no_test(logarithms[0]):
        return spread, None, None
    chosen = has_ratios(scores, lower_is_better=True)
    found = paired_t(logarithms[chosen])
    truth = np.log(1.1)
    return spread, float(chosen.mean()), float(np.mean((found.low <= truth) & (found.high >= truth)))


def judge_family(scores: int, alike: float, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """How often any of several correlated scores is a false positive: as they are, and by Holm."""
    shared = rng.standard_normal((count, 1, 6, 1))
    differences = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.standard_normal((count, scores, 6, 1))
    p = paired_t(differences).p
    return float(np.mean((p < 0.05).any(axis=1))), float(np.mean((holm(p) < 0.05).any(axis=1)))


def judge_marks(
    world: World, models: int, seeds: int, sets: int, count: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """What the marks of tables and the bars of ``bench figure ranks`` claim of models.

    Returns:
        How often any two of equal models are told apart; how often the truly best of models that are half a
        deviation apart lacks the mark of the best; how often another one has the best mean.
    """
    scores, _ = draw(world, count, models, seeds, sets, rng)
    false = float(told_apart(scores).any(axis=(1, 2)).mean())
    scores = scores + DIFFERENCE * np.arange(models)[:, None, None]
    best = scores.mean(axis=(2, 3)).argmin(axis=1)
    lost = told_apart(scores)[np.arange(count), best, 0]
    return false, float(lost.mean()), float(np.mean(best != 0))


def judge_others(seeds: int, sets: int, count: int, rng: np.random.Generator) -> float:
    """How often the interval holds the mean over *all sets there could be*, of which it does not speak."""
    scores, _ = draw(World("", on_sets=1.0), count, 2, seeds, sets, rng)
    found = paired_t(scores[:, 0] - scores[:, 1])
    return float(np.mean((found.low <= 0) & (found.high >= 0)))


def judge_power(seeds: int, sets: int, difference: float, count: int, rng: np.random.Generator) -> float:
    """How often a true difference, in deviations of a model's scores over seeds, is found."""
    scores, _ = draw(World(""), count, 2, seeds, sets, rng)
    return float(np.mean(paired_t(scores[:, 0] - scores[:, 1] + difference).p < 0.05))
