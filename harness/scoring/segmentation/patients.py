"""Means over patients, with a standard error, and with an interval where it is known to cover."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST = 40
"""With fewer patients intervals don't cover where some patients fail altogether (docs/metrics.md)."""
CONFIDENCE = 0.95


class Mean(NamedTuple):
    """A mean over patients.

    Attributes:
        value: The mean.
        error: Its standard error; None for a single patient.
        interval: Where the mean over all patients lies with a confidence of 95 %; None where no interval is
            known to cover.
    """

    value: float
    error: float | None
    interval: tuple[float, float] | None


def mean_of(values: NDArray[np.float64]) -> Mean | None:
    """The mean of one value a patient, float64 (P,), of whom those with NaN don't count; None for nobody.

    Patients are independent of each other; the interval is Student's (1908).
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    value = float(known.mean())
    if len(known) < 2:
        return Mean(value, None, None)
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    if len(known) < FEWEST or error == 0:
        return Mean(value, error, None)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(known) - 1)) * error
    return Mean(value, error, (value - reach, value + reach))
