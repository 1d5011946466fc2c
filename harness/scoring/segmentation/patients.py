"""Means over patients, with a standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Mean(NamedTuple):
    """A mean over patients. It has no interval: none is known to cover where a few fail (docs/metrics.md).

    Attributes:
        value: The mean.
        error: Its standard error; None for a single patient.
    """

    value: float
    error: float | None


def mean_of(values: NDArray[np.float64]) -> Mean | None:
    """The mean of one value a patient, float64 (P,), of whom those with NaN don't count; None for nobody.

    Patients are independent of each other.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None
    return Mean(float(known.mean()), error)
