"""The grey-level size-zone matrix (GLSZM): how large connected zones of one grey level are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .extents import Pieces, extents
from .glrlm import run_starts, runs
from .levels import Levels, Values

_STATISTICS = {
    "GrayLevelNonUniformity": "level_nonuniformity",
    "GrayLevelNonUniformityNormalized": "level_nonuniformity_normalised",
    "GrayLevelVariance": "level_variance",
    "HighGrayLevelZoneEmphasis": "high",
    "LargeAreaEmphasis": "long",
    "LargeAreaHighGrayLevelEmphasis": "long_high",
    "LargeAreaLowGrayLevelEmphasis": "long_low",
    "LowGrayLevelZoneEmphasis": "low",
    "SizeZoneNonUniformity": "size_nonuniformity",
    "SizeZoneNonUniformityNormalized": "size_nonuniformity_normalised",
    "SmallAreaEmphasis": "short",
    "SmallAreaHighGrayLevelEmphasis": "short_high",
    "SmallAreaLowGrayLevelEmphasis": "short_low",
    "ZoneEntropy": "entropy",
    "ZonePercentage": "percentage",
    "ZoneVariance": "size_variance",
}
NAMES = tuple(_STATISTICS)

_Index = tuple[slice, ...]


def size_zones(levels: Levels) -> Values:
    """Features of the GLSZM of (R, h, w) grey levels: float64 (R, 16)."""
    found = extents(zones(levels), levels[0].size)
    return np.stack([found[statistic] for statistic in _STATISTICS.values()], axis=1)


def zones(levels: Levels) -> Pieces:
    """Zones of (R, h, w) grey levels; pixels that touch at a corner are connected.

    Rows of pixels are cut into runs first. Runs are far fewer than pixels, and so are the links between them.
    """
    rows, height, width = levels.shape
    begins = np.zeros((height, width), dtype=np.bool_)
    begins[:, 0] = True
    starts = run_starts(levels.reshape(rows, -1), begins.ravel())
    pieces = runs(levels.reshape(rows, -1), starts)
    number = np.repeat(np.arange(len(pieces.sizes), dtype=np.int32), pieces.sizes).reshape(levels.shape)
    starts = starts.reshape(levels.shape)
    # Below, below to the right, and below to the left.
    touching = (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:, :-1, :-1], np.s_[:, 1:, 1:]),
        (np.s_[:, :-1, 1:], np.s_[:, 1:, :-1]),
    )
    links = np.concatenate([_links(levels, starts, number, upper, lower) for upper, lower in touching])
    count, zone = connected_components(_graph(links, len(pieces.sizes)), directed=False)
    sizes = np.bincount(zone, pieces.sizes, count).astype(np.int64)
    # A zone's image and grey level are those of any of its runs.
    one = np.empty(count, dtype=np.int64)
    one[zone] = np.arange(len(zone))
    return Pieces(pieces.rows[one], pieces.levels[one], sizes)


def _links(
    levels: Levels, starts: NDArray[np.bool_], number: NDArray[np.int32], upper: _Index, lower: _Index
) -> NDArray[np.int64]:
    """Runs that touch and have one grey level: the number of the upper one in the high half of each.

    Two long runs touch at many pixels, one after the other; where neither starts there, they are linked
    already.
    """
    is_new = (levels[upper] == levels[lower]) & (starts[upper] | starts[lower])
    result: NDArray[np.int64] = number[upper][is_new].astype(np.int64) << 32 | number[lower][is_new]
    return result


def _graph(links: NDArray[np.int64], size: int) -> csr_array:
    """The matrix of links, made as its user wants it: converting another form costs as much again."""
    ordered = np.sort(links)
    begins = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(np.bincount(ordered >> 32, minlength=size), dtype=np.int32, out=begins[1:])
    lower = (ordered & 0xFFFFFFFF).astype(np.int32)
    return csr_array((np.ones(len(ordered)), lower, begins), shape=(size, size))
