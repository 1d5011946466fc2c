"""The grey-level size-zone matrix (GLSZM): how large connected zones of one grey level are."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .extents import Pieces, extents
from .glrlm import runs
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
    pieces = runs(levels.reshape(rows, -1), begins.ravel())
    number = np.repeat(np.arange(len(pieces.sizes)), pieces.sizes).reshape(levels.shape)
    links = [
        _links(
            levels[:, :-1, left:],
            levels[:, 1:, : width - left],
            number[:, :-1, left:],
            number[:, 1:, : width - left],
        )
        for left in (0, 1)
    ]
    links.append(_links(levels[:, :-1, :-1], levels[:, 1:, 1:], number[:, :-1, :-1], number[:, 1:, 1:]))
    ends = np.concatenate(links, axis=1)
    graph = coo_array(
        (np.ones(ends.shape[1], dtype=np.bool_), (ends[0], ends[1])), shape=(len(pieces.sizes),) * 2
    )
    count, zone = connected_components(graph, directed=False)
    sizes = np.bincount(zone, pieces.sizes, count).astype(np.int64)
    # A zone's image and grey level are those of any of its runs.
    one = np.empty(count, dtype=np.int64)
    one[zone] = np.arange(len(zone))
    order = np.argsort(pieces.rows[one], kind="stable")
    one = one[order]
    return Pieces(pieces.rows[one], pieces.levels[one], sizes[order])


def _links(upper: Levels, lower: Levels, upper_run: Levels, lower_run: Levels) -> Levels:
    """Runs that touch and have one grey level, as numbers (2, n)."""
    equal = upper == lower
    ends = np.stack([upper_run[equal], lower_run[equal]])
    # Two long runs touch at many pixels, one after the other: one link is enough.
    is_new = np.ones(ends.shape[1], dtype=np.bool_)
    is_new[1:] = (ends[:, 1:] != ends[:, :-1]).any(axis=0)
    return ends[:, is_new]
