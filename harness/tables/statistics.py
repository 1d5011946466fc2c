"""What chance could do to a comparison of models over seeds and data sets.

Two models are compared by the differences of cells that share a seed and a data set. The data sets are taken
as they are: what is estimated is the mean difference *on these sets*, over all seeds that there could be. A
seed gives a model the same first weights on every set, so its cells may all be lucky together; what counts as
one observation is therefore a seed's mean over the sets, and a paired t test on these means is exact for
normal noise whatever sets and seeds have in common. ``benchmarks/coverage_comparisons.py`` shows by
simulation where it holds, and what taking every cell for an observation would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of intervals; tests judge at what it leaves, 5 %."""
MIN_PAIRS = 6
"""With fewer, chance alone lets one model win all pairs in more than 5 % of comparisons: 5 of 5 in 2/32."""
FAR = 3.0
"""Scores are far from 0 where their mean over models lies so many deviations over seeds above it."""


class PairedT(NamedTuple):
    """Mean differences, their intervals and two-sided p; NaN where differences do not vary over seeds."""

    mean: Floats
    low: Floats
    high: Floats
    p: Floats


def paired_t(differences: Floats) -> PairedT:
    """Paired t test and interval of the mean over sets (Student 1908).

    Args:
        differences: (..., seeds, sets), of at least two seeds.
    """
    from scipy import stats  # a table without a test does without

    by_seed = differences.mean(axis=-1)
    mean = by_seed.mean(axis=-1)
    # Equal but for rounding: no seed says anything that the others don't.
    equal = np.ptp(by_seed, axis=-1) <= 1e-9 * np.abs(mean)
    tested = stats.ttest_1samp(np.where(equal[..., None], np.nan, by_seed), 0.0, axis=-1)
    low, high = tested.confidence_interval(LEVEL)
    return PairedT(mean, low, high, tested.pvalue)


def too_few(seeds: int, sets: int) -> str | None:
    """Why so many seeds on so many sets allow no test; None where they do."""
    if seeds * sets < MIN_PAIRS:
        return (
            f"{seeds * sets} pairs are too few for a test: with fewer than {MIN_PAIRS}, chance alone lets "
            "one of two equal models win every pair in more than 5 % of comparisons"
        )
    if seeds < 2:
        return "one seed on each set allows no test: what another seed would give is unknown"
    return None


def why_no_test(differences: Floats) -> str | None:
    """Why differences (seeds, sets) allow no test; None where they do."""
    if why := too_few(*differences.shape):
        return why
    if np.isnan(paired_t(differences).p):
        return "the differences do not vary over seeds, so there is nothing to judge them by"
    return None


def holm(p: Floats) -> Floats:
    """Values of p (..., n) adjusted for asking n questions at once (Holm 1979)."""
    order = np.argsort(p, axis=-1)
    count = p.shape[-1]
    stepped = np.take_along_axis(p, order, axis=-1) * np.arange(count, 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(stepped, axis=-1), 1.0), axis=-1)
    return adjusted


def told_apart(scores: Floats) -> NDArray[np.bool_]:
    """Which pairs of models differ by more than chance does, Holm over all pairs.

    Args:
        scores: (..., models, seeds, sets) of models that share their seeds.

    Returns:
        (..., models, models), symmetric.
    """
    models = scores.shape[-3]
    pairs = list(combinations(range(models), 2))
    first, second = (list(side) for side in zip(*pairs, strict=True)) if pairs else ([], [])
    p = paired_t(scores[..., first, :, :] - scores[..., second, :, :]).p
    differ = holm(np.nan_to_num(p, nan=1.0)) < 1 - LEVEL
    table = np.zeros((*scores.shape[:-3], models, models), dtype=bool)
    table[..., first, second] = table[..., second, first] = differ
    return table


def level_with(order: Sequence[int], apart: NDArray[np.bool_]) -> list[int]:
    """The first of an order, and all behind it that can't be told from it."""
    return [model for model in order if not apart[order[0], model]]


def has_ratios(scores: Floats, *, lower_is_better: bool) -> NDArray[np.bool_]:
    """Whether a relative difference of scores (..., models, seeds, sets) has a meaning.

    It has for distances and errors, whose zero says that nothing is wrong, while that zero is far from them:
    an unbiased distance between nearly equal populations may be 0.0002 or -0.0001, and a ratio of such
    numbers says nothing. Where more is better, there is no such zero: PSNR is a logarithm, SSIM ends at 1.
    """
    if not lower_is_better or scores.shape[-2] < 2:
        return np.zeros(scores.shape[:-3], dtype=bool)
    # Of the models together: noise of their mean says nothing about noise of their differences. Chosen by the
    # noise of each, the scale would be a ratio where noise looks small by chance, and intervals too short.
    together = scores.mean(axis=-3)
    is_far = together.mean(axis=-2) >= FAR * together.std(axis=-2, ddof=1)
    found: NDArray[np.bool_] = (scores > 0).all(axis=(-3, -2, -1)) & is_far.all(axis=-1)
    return found


def comparable(scores: Floats, *, lower_is_better: bool) -> tuple[Floats, bool]:
    """Scores (models, seeds, sets) on a scale that averages over sets, and whether differences are ratios.

    Several sets need a scale in common. Logarithms give it where a relative difference has a meaning: their
    mean difference is the ratio of geometric means, and swapping two models only turns its sign.
    """
    is_relative = scores.shape[-1] > 1 and bool(has_ratios(scores, lower_is_better=lower_is_better))
    return (np.log(scores) if is_relative else scores), is_relative
