"""The neighbouring grey-tone difference matrix (NGTDM): how far pixels are from the mean around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .levels import Levels, Values, histogram

NAMES = ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength")
FLAT_COARSENESS = 1e6
"""Coarseness of an image without any difference, by pyradiomics' convention."""


def tone_differences(levels: Levels) -> Values:
    """Features of the NGTDM of (R, h, w) grey levels: float64 (R, 5).

    Source: Amadasun and King 1989, "Textural features corresponding to textural properties", Eqs. 8 to 18.
    """
    occurrences, differences = matrix(levels)
    pixels = levels[0].size
    i = np.arange(occurrences.shape[1], dtype=np.float64)
    p = occurrences / pixels
    is_there = occurrences > 0
    kinds = is_there.sum(axis=1).astype(np.float64)
    weighted = (p * differences).sum(axis=1)
    total = differences.sum(axis=1)

    mean = p @ i
    # The sum over pairs of p_i p_j (i - j)² is twice the variance.
    spread = 2 * (p * (i - mean[:, None]) ** 2).sum(axis=1)
    contrast = _ratio(spread * total / pixels, kinds * (kinds - 1), otherwise=0.0)
    there, levels_sum, squares_sum = kinds[:, None], is_there @ i, is_there @ i**2
    # The sum over pairs of (p_i + p_j)(i - j)² is twice that of p_i (i - j)², and the sum over j is a square.
    strength = 2 * (p * (there * i**2 - 2 * i * levels_sum[:, None] + squares_sum[:, None])).sum(axis=1)
    columns = {
        "Busyness": _ratio(weighted, _sum_of_distances(i * p, is_there), otherwise=0.0),
        "Coarseness": _ratio(np.ones(len(p)), weighted, otherwise=FLAT_COARSENESS),
        "Complexity": np.array([_complexity(*row) for row in zip(p, differences, is_there, strict=True)])
        / pixels,
        "Contrast": contrast,
        "Strength": _ratio(strength, total, otherwise=0.0),
    }
    return np.stack([columns[name] for name in NAMES], axis=1)


def matrix(levels: Levels) -> tuple[Values, Values]:
    """For every grey level, counted from 0: its pixels, and the sum of their differences from neighbours.

    Neighbours are the up to eight pixels around one, as far as they are in the image.

    Returns:
        Two float64 (R, levels + 1).
    """
    rows = len(levels)
    neighbours = _with_neighbours(levels) - levels
    count = _with_neighbours(np.ones_like(levels[:1])) - 1
    away = np.abs(levels - neighbours / count)
    size = int(levels.max()) + 1
    flat = levels.reshape(rows, -1)
    places = (flat + size * np.arange(rows)[:, None]).ravel()
    differences = np.bincount(places, away.ravel(), rows * size).reshape(rows, size)
    return histogram(flat, size), differences.astype(np.float64)


def _with_neighbours(levels: Levels) -> Levels:
    """The sum of each pixel of (R, h, w) and all that touch it."""
    padded = np.pad(levels, ((0, 0), (1, 1), (1, 1)))
    in_row = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return np.asarray(in_row[:, :-2] + in_row[:, 1:-1] + in_row[:, 2:])


def _sum_of_distances(values: Values, is_there: NDArray[np.bool_]) -> Values:
    """For each row, the sum of |x - y| over ordered pairs of the values that are there; none is negative."""
    ordered = np.sort(np.where(is_there, values, 0.0), axis=1)
    kinds = is_there.sum(axis=1, keepdims=True)
    # The k-th smallest of n stands above k - 1 others and below n - k. Missing ones are 0, in front.
    rank = np.arange(1, ordered.shape[1] + 1) - (ordered.shape[1] - kinds)
    result: Values = 2 * ((2 * rank - kinds - 1) * ordered).sum(axis=1)
    return result


def _complexity(p: Values, differences: Values, is_there: NDArray[np.bool_]) -> float:
    """The sum over pairs of grey levels of |i - j| (p_i s_i + p_j s_j) / (p_i + p_j), Eq. 16."""
    i = np.flatnonzero(is_there).astype(np.float64)
    share = p[is_there]
    shares = share[:, None] + share
    return float(2 * (share * differences[is_there]) @ (np.abs(i[:, None] - i) / shares).sum(axis=1))


def _ratio(above: Values, below: Values, otherwise: float) -> Values:
    is_zero = below == 0
    return np.where(is_zero, otherwise, above / np.where(is_zero, 1.0, below))
