"""The grey-level co-occurrence matrix (GLCM): which grey levels are neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .levels import EPSILON, Levels, Values, entropy, narrow, tally

NAMES = (
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "JointEnergy",
    "JointEntropy",
    "Imc1",
    "Imc2",
    "Idm",
    "Idmn",
    "Id",
    "Idn",
    "InverseVariance",
    "MaximumProbability",
    "SumEntropy",
    "SumSquares",
)


def co_occurrence(levels: Levels) -> Values:
    """Features of the GLCM of (R, h, w) grey levels, means over four directions: float64 (R, 22).

    Neighbours are at distance 1 along rows, columns and both diagonals; each pair counts in both orders.

    Source: Haralick et al. 1973, "Textural features for image classification"; definitions as pyradiomics
    documents them.
    """
    top = int(levels.max())
    largest = levels.max(axis=(1, 2)).astype(np.float64)
    ways = (
        (levels[:, :, :-1], levels[:, :, 1:]),
        (levels[:, :-1], levels[:, 1:]),
        (levels[:, :-1, :-1], levels[:, 1:, 1:]),
        (levels[:, :-1, 1:], levels[:, 1:, :-1]),
    )
    rows = len(levels)
    each = [_direction(a.reshape(rows, -1), b.reshape(rows, -1), largest, top) for a, b in ways]
    return np.asarray(np.mean(each, axis=0))


def _direction(a: Levels, b: Levels, largest: Values, top: int) -> Values:
    """Features of the pairs (a, b) of each row: float64 (R, 22).

    With i + j = s and |i - j| = d in a symmetric matrix, every moment follows from the distributions of s and
    d: ij = (s² - d²)/4, and the variance of i is (var s + mean d²)/4. So the matrix itself, mostly zeros, is
    never laid out.
    """
    joint = _joint(a, b, top)
    sums, differences, own = joint.sums, joint.differences, joint.own

    s, d = np.arange(2 * top + 1.0), np.arange(float(top))
    mean_sum = sums @ s
    from_mean = s - mean_sum[:, None]
    tendency = (sums * from_mean**2).sum(axis=1)
    contrast = differences @ d**2
    mean_difference = differences @ d
    is_flat = (own > 0).sum(axis=1) == 1
    joint_entropy, own_entropy = joint.entropy, entropy(own)
    # A symmetric matrix has one marginal distribution, so HX = HY and HXY1 = HXY2 = 2 HX.
    information = 2 * own_entropy - joint_entropy
    columns = {
        "Autocorrelation": (sums @ s**2 - contrast) / 4,
        "JointAverage": mean_sum / 2,
        "ClusterProminence": (sums * from_mean**4).sum(axis=1),
        "ClusterShade": (sums * from_mean**3).sum(axis=1),
        "ClusterTendency": tendency,
        "Contrast": contrast,
        # One grey level has no correlation; 1 is pyradiomics' convention.
        "Correlation": _ratio(tendency - contrast, tendency + contrast, is_flat, otherwise=1.0),
        "DifferenceAverage": mean_difference,
        "DifferenceEntropy": entropy(differences),
        "DifferenceVariance": (differences * (d - mean_difference[:, None]) ** 2).sum(axis=1),
        "JointEnergy": joint.energy,
        "JointEntropy": joint_entropy,
        "Imc1": _ratio(-information, own_entropy, is_flat, otherwise=0.0),
        # Independent neighbours have no information about each other; rounding may make it negative.
        "Imc2": np.where(is_flat, 0.0, np.sqrt(-np.expm1(-2 * np.maximum(information, 0.0)))),
        "Idm": differences @ (1 / (1 + d**2)),
        "Idmn": (differences / (1 + d**2 / largest[:, None] ** 2)).sum(axis=1),
        "Id": differences @ (1 / (1 + d)),
        "Idn": (differences / (1 + d / largest[:, None])).sum(axis=1),
        "InverseVariance": differences[:, 1:] @ (1 / d[1:] ** 2),
        "MaximumProbability": joint.largest,
        "SumEntropy": entropy(sums),
        "SumSquares": (tendency + contrast) / 4,
    }
    return np.stack([columns[name] for name in NAMES], axis=1)


def _ratio(above: Values, below: Values, is_flat: NDArray[np.bool_], otherwise: float) -> Values:
    return np.where(is_flat, otherwise, above / np.where(is_flat, 1.0, below))


class _Joint(NamedTuple):
    """What the symmetric matrices of some images say, each of its probabilities.

    Attributes:
        sums: Of each sum of two neighbours, (R, 2 top + 1).
        differences: Of each absolute difference, (R, top).
        own: Of each level, (R, top + 1).
        entropy, energy, largest: Of the cells, (R,).
    """

    sums: Values
    differences: Values
    own: Values
    entropy: Values
    energy: Values
    largest: Values


def _joint(a: Levels, b: Levels, top: int) -> _Joint:
    """Count the pairs of each row; of the kinds of pairs, far fewer than pixels, follows all else."""
    rows, pairs = a.shape
    a, b = narrow(a, (top + 1) ** 2), narrow(b, (top + 1) ** 2)
    found = tally(np.minimum(a, b) * (top + 1) + np.maximum(a, b))
    low, high = np.divmod(found.keys, top + 1)
    row = np.repeat(np.arange(rows), np.diff(found.first, append=len(low)))

    def counted(what: Levels, size: int) -> Values:
        counts = np.bincount(row * size + what, found.counts, rows * size)
        return np.asarray(counts.reshape(rows, size), dtype=np.float64)

    # A pair of two levels has two cells in the matrix, half its count in each; a pair of one level has one.
    cells = np.where(low == high, 1.0, 2.0)
    probability = found.counts / (pairs * cells)
    return _Joint(
        counted(low + high, 2 * top + 1) / pairs,
        counted(high - low, top) / pairs,
        (counted(low, top + 1) + counted(high, top + 1)) / (2 * pairs),
        -found.sums(cells * probability * np.log2(probability + EPSILON)),
        found.sums(cells * probability**2),
        np.maximum.reduceat(probability, found.first),
    )
