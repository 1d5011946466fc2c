"""The grey-level run-length matrix (GLRLM): how long a grey level goes on along a line."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .extents import Pieces, extents
from .levels import Levels, Values

_STATISTICS = {
    "GrayLevelNonUniformity": "level_nonuniformity",
    "GrayLevelNonUniformityNormalized": "level_nonuniformity_normalised",
    "GrayLevelVariance": "level_variance",
    "HighGrayLevelRunEmphasis": "high",
    "LongRunEmphasis": "long",
    "LongRunHighGrayLevelEmphasis": "long_high",
    "LongRunLowGrayLevelEmphasis": "long_low",
    "LowGrayLevelRunEmphasis": "low",
    "RunEntropy": "entropy",
    "RunLengthNonUniformity": "size_nonuniformity",
    "RunLengthNonUniformityNormalized": "size_nonuniformity_normalised",
    "RunPercentage": "percentage",
    "RunVariance": "size_variance",
    "ShortRunEmphasis": "short",
    "ShortRunHighGrayLevelEmphasis": "short_high",
    "ShortRunLowGrayLevelEmphasis": "short_low",
}
NAMES = tuple(_STATISTICS)


def run_lengths(levels: Levels) -> Values:
    """Features of the GLRLM of (R, h, w) grey levels, means over four directions: float64 (R, 16)."""
    height, width = levels.shape[1:]
    each = []
    for order, begins in _lines(height, width):
        pixels = np.take(levels.reshape(len(levels), -1), order, axis=1)
        found = extents(runs(pixels, run_starts(pixels, begins)), height * width)
        each.append(np.stack([found[statistic] for statistic in _STATISTICS.values()], axis=1))
    return np.asarray(np.mean(each, axis=0))


def run_starts(pixels: Levels, begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where runs of equal grey levels start in (R, n) pixels; ``begins`` marks where lines do."""
    starts = np.empty(pixels.shape, dtype=np.bool_)
    starts[:] = begins
    starts[:, 1:] |= pixels[:, 1:] != pixels[:, :-1]
    return starts


def runs(pixels: Levels, starts: NDArray[np.bool_]) -> Pieces:
    """Runs of equal grey levels in (R, n) pixels in the order of lines, by where they start."""
    at = np.flatnonzero(starts)
    in_each = np.count_nonzero(starts, axis=1)
    return Pieces(
        np.repeat(np.arange(len(pixels)), in_each), pixels.ravel()[at], np.diff(at, append=pixels.size)
    )


@lru_cache(maxsize=4)
def _lines(height: int, width: int) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Pixels in the order of rows, columns and both diagonals, and which of them begin a line."""
    y, x = (grid.ravel() for grid in np.indices((height, width)))
    result = []
    for line, along in ((y, x), (x, y), (y - x, y), (y + x, y)):
        order = np.lexsort((along, line))
        result.append((order, np.diff(line[order], prepend=line.min() - 1) != 0))
    return result
