"""First-order features: how the values of an image are distributed, wherever they lie."""

from __future__ import annotations

import numpy as np

from .levels import Levels, Values, entropy, histogram

SHIFT = 300.0
"""Added before squaring, so that all but the darkest values are positive."""
PIXEL_AREA = 4.0
"""Of the resampled grid, in pixels of the image."""

NAMES = (
    "10Percentile",
    "90Percentile",
    "Energy",
    "Entropy",
    "InterquartileRange",
    "Kurtosis",
    "Maximum",
    "MeanAbsoluteDeviation",
    "Mean",
    "Median",
    "Minimum",
    "Range",
    "RobustMeanAbsoluteDeviation",
    "RootMeanSquared",
    "Skewness",
    "TotalEnergy",
    "Uniformity",
    "Variance",
)


def first_order(images: Values, levels: Levels) -> Values:
    """First-order features of (R, h, w) images and their grey levels: float64 (R, 18), in the order of NAMES.

    Source: van Griethuysen et al. 2017, "Computational radiomics system to decode the radiographic
    phenotype", and the documentation of pyradiomics. An image of one value has skewness and kurtosis 0.
    """
    values = images.reshape(len(images), -1)
    count = values.shape[1]
    # Sorting uses vector instructions, and of sorted values percentiles are looked up.
    ordered = np.sort(values, axis=1)
    smallest, largest = ordered[:, 0], ordered[:, -1]
    p10, p25, median, p75, p90 = percentiles(ordered, np.array([10.0, 25.0, 50.0, 75.0, 90.0]))
    mean = np.sum(values, axis=1) / count
    away = values - mean[:, None]
    squared = away * away
    variance = squared.mean(axis=1)
    is_flat = variance == 0
    spread = np.where(is_flat, 1.0, variance)
    third = (squared * away).mean(axis=1)
    fourth = (squared * squared).mean(axis=1)
    energy = np.square(values + SHIFT).sum(axis=1)
    grey = levels.reshape(len(levels), -1)
    shares = histogram(grey, int(grey.max()) + 1) / count
    columns = {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": entropy(shares),
        "InterquartileRange": p75 - p25,
        "Kurtosis": np.where(is_flat, 0.0, fourth / spread**2),
        "Maximum": largest,
        "MeanAbsoluteDeviation": np.abs(away).mean(axis=1),
        "Mean": mean,
        "Median": median,
        "Minimum": smallest,
        "Range": largest - smallest,
        "RobustMeanAbsoluteDeviation": _robust_deviation(values, p10, p90),
        "RootMeanSquared": np.sqrt(energy / count),
        "Skewness": np.where(is_flat, 0.0, third / spread**1.5),
        "TotalEnergy": energy * PIXEL_AREA,
        "Uniformity": np.square(shares).sum(axis=1),
        "Variance": variance,
    }
    return np.stack([columns[name] for name in NAMES], axis=1)


def percentiles(ordered: Values, wanted: Values) -> Values:
    """Percentiles of every row of (R, n) sorted values, (k, R): NumPy's, to the last bit."""
    last = ordered.shape[1] - 1
    place = last * (wanted / 100)
    below = np.floor(place).astype(np.intp)
    rest = (place - below)[:, None]
    low, high = ordered.T[below], ordered.T[np.minimum(below + 1, last)]
    step = high - low
    result: Values = np.where(rest < 0.5, low + step * rest, high - step * (1 - rest))
    return result


def _robust_deviation(values: Values, low: Values, high: Values) -> Values:
    """Mean absolute deviation of the values between two percentiles from their own mean."""
    kept = (values >= low[:, None]) & (values <= high[:, None])
    count = kept.sum(axis=1)
    mean = np.where(kept, values, 0.0).sum(axis=1) / count
    result: Values = np.where(kept, np.abs(values - mean[:, None]), 0.0).sum(axis=1) / count
    return result
