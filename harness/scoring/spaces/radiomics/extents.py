"""Statistics of pieces of an image that have one grey level and a size: runs of pixels, or zones of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .levels import EPSILON, Levels, Values, narrow, tally_pieces


class Pieces(NamedTuple):
    """Pieces of several images.

    Attributes:
        rows: Which image each is of; every image has at least one.
        levels: The grey level of each, at least 1.
        sizes: The number of pixels of each.
    """

    rows: Levels
    levels: Levels
    sizes: Levels


def extents(pieces: Pieces, pixels: int) -> dict[str, Values]:
    """Sixteen statistics of the matrix of grey levels and sizes, of every image by itself.

    Args:
        pieces: What the images consist of.
        pixels: The number of pixels of one image.

    Returns:
        float64 (R,) each. Runs and zones have other names for the same formulas, see ``glrlm`` and ``glszm``.

    Source: Galloway 1975, "Texture analysis using gray level run lengths"; Chu et al. 1990; Dasarathy and
    Holder 1991; Thibault et al. 2009 for zones.
    """
    longest = int(pieces.sizes.max()) + 1
    span = (int(pieces.levels.max()) + 1) * longest
    keys = narrow(pieces.levels, span) * longest + narrow(pieces.sizes, span)
    found = tally_pieces(pieces.rows, keys, span)
    level, size = np.divmod(found.keys, longest)
    number = found.sums(found.counts.astype(np.float64))
    row = np.repeat(np.arange(len(number)), np.diff(found.first, append=len(level)))
    share = found.counts / number[row]
    g, s = level.astype(np.float64), size.astype(np.float64)
    g2, s2 = g * g, s * s
    per_level = _per_group(row * (int(level.max()) + 1) + level, share, found.first)
    by_size = np.bincount(row * longest + size, share, len(number) * longest).reshape(-1, longest)
    sizes_alike = np.square(by_size).sum(axis=1)
    mean_level, mean_size = found.sums(share * g), found.sums(share * s)
    return {
        "short": found.sums(share / s2),
        "long": found.sums(share * s2),
        "level_nonuniformity": per_level * number,
        "level_nonuniformity_normalised": per_level,
        "size_nonuniformity": sizes_alike * number,
        "size_nonuniformity_normalised": sizes_alike,
        "percentage": number / pixels,
        "level_variance": found.sums(share * (g - mean_level[row]) ** 2),
        "size_variance": found.sums(share * (s - mean_size[row]) ** 2),
        "entropy": -found.sums(share * np.log2(share + EPSILON)),
        "low": found.sums(share / g2),
        "high": found.sums(share * g2),
        "short_low": found.sums(share / (g2 * s2)),
        "short_high": found.sums(share * g2 / s2),
        "long_low": found.sums(share * s2 / g2),
        "long_high": found.sums(share * s2 * g2),
    }


def _per_group(groups: Levels, share: Values, first: Levels) -> Values:
    """For each row, the sum over its grey levels of their squared shares; ``groups`` are sorted."""
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    squared = np.square(np.add.reduceat(share, starts))
    result: Values = np.add.reduceat(squared, np.searchsorted(starts, first))
    return result
