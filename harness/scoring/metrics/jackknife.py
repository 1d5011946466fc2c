"""Standard errors by leaving out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def deviation(without: NDArray[np.float64]) -> float | None:
    """Standard error of an estimate from its values ``without`` each of G groups: float64 (G,).

    The groups must be independent of one another, so no patient may be in two of them. None for fewer than
    two groups: nothing is known then.

    Source: Efron and Stein 1981, "The jackknife estimate of variance", Eq. 1.3.
    """
    count = len(without)
    if count < 2:
        return None
    return float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


def together(*errors: float | None) -> float | None:
    """Standard error of a sum or difference of independent estimates; None where one is unknown."""
    known = [error for error in errors if error is not None]
    return float(np.sqrt(np.square(known).sum())) if len(known) == len(errors) else None


def deviation_of_pairs(
    values: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]
) -> float | None:
    """Standard error of a mean over pairs of things that come in independent groups.

    Two values depend on each other where their pairs share a group. The variance is the sum of the products
    of deviations over all such pairs of values: those that touch a group, for every group, less what was
    counted twice because it touches the same two.

    Args:
        values: float64 (P,), one for each pair.
        first: int (P,), group of its first thing.
        second: int (P,), group of its second thing.

    Returns:
        None for fewer than three groups, where all pairs depend on one another.

    Source: Aronow, Samii and Assenova 2015, "Cluster-robust variance estimation for dyadic data", Eq. 4.
    """
    count = int(max(first.max(), second.max())) + 1
    if count < 3:
        return None
    deviations = values - values.mean()
    groups = np.bincount(first, deviations, count)
    groups += np.bincount(second, np.where(first == second, 0, deviations), count)
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, couples = np.unique(low * count + high, return_inverse=True)
    twice = np.bincount(couples, np.where(first == second, 0, deviations))
    variance = (np.square(groups).sum() - np.square(twice).sum()) / len(values) ** 2
    # The difference may fall below what independent values would give; it can't be less than that.
    least = np.square(deviations).sum() / len(values) ** 2
    return float(np.sqrt(max(variance, least) * count / (count - 1)))
