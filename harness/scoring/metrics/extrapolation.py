"""A distance at growing numbers of images, and what it comes to with infinitely many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...api import Curve, Population, ScoreError
from .draws import part

_SIZES = 8
_WIDTH = 4
"""The largest number of images over the smallest: a wider range is less of a straight line."""
_DRAWS = 5
_LEAST = 8

Distance = Callable[[NDArray[Any], NDArray[Any]], float]


def extrapolated(score: str, distance: Distance, train: Population, generated: Population) -> Curve:
    """The distance of N training images to N samples, for N up to the smaller side, and its limit.

    The bias of a Fréchet distance is proportional to 1/N but for higher orders, so a straight line through
    the distances over 1/N meets the axis at that of infinitely many images. Training images are drawn by
    patients. Chong and Forsyth let only the samples grow, against many real images; with few of these their
    share of the bias would stay in the limit.

    Args:
        score: What the distance is called.
        distance: That of two sets of features.
        train: float64 (N, d), with their patients.
        generated: float64 (M, d).

    Raises:
        ScoreError: Too few images for a line.

    Source: Chong and Forsyth 2020, "Effectively unbiased FID and Inception Score and where to find them",
    section 3.2, Eq. 7.
    """
    most = min(len(train.values), len(generated.values))
    if most < _LEAST * _WIDTH:
        raise ScoreError(
            f"{most} images on one side", needed=f"at least {_LEAST * _WIDTH} for a curve over their number"
        )
    sizes = np.unique((most / np.linspace(_WIDTH, 1, _SIZES)).astype(int))
    rng = np.random.default_rng(0)
    values = np.array(
        [
            [
                distance(
                    train.values[part(train, size, rng)],
                    generated.values[rng.permutation(len(generated.values))[:size]],
                )
                for _ in range(_DRAWS)
            ]
            for size in sizes
        ]
    )
    means = values.mean(axis=1)
    slope, limit = np.polyfit(1 / sizes, means, 1)
    return Curve(
        score,
        tuple(map(int, sizes)),
        tuple(map(float, means)),
        tuple(map(float, values.std(axis=1, ddof=1))),
        float(limit),
        float(slope),
    )
