"""Distances between features in blocks, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_TILE = 1024
# Equal images get features that differ by about 1e-6 of their length, for the network sums float32 numbers in
# another order in another batch. Squared, anything below this share is the same image.
_SAME = 1e-11


class Tile(NamedTuple):
    """Distances of some rows of x to some rows of y.

    Attributes:
        rows: Which rows of x.
        columns: Which rows of y.
        distances: float64 (rows, columns), Euclidean.
    """

    rows: slice
    columns: slice
    distances: Tensor


def tiles(x: Tensor, y: Tensor) -> Iterator[Tile]:
    """All distances between ``x`` (N, d) and ``y`` (M, d), float64, in tiles of at most 1024 x 1024."""
    for i in range(0, len(x), _TILE):
        for j in range(0, len(y), _TILE):
            yield _tile(x, y, slice(i, i + _TILE), slice(j, j + _TILE))


def nearest(x: Tensor, k: int) -> Tensor:
    """Distances of each row of ``x`` (N, d) to its 1st, 2nd, ..., k-th nearest other row: float64 (N, k)."""
    found = x.new_full((len(x), k), torch.inf)

    def keep(rows: slice, distances: Tensor) -> None:
        candidates = torch.cat([found[rows], distances], dim=1)
        found[rows] = candidates.topk(k, dim=1, largest=False).values

    for i in range(0, len(x), _TILE):
        for j in range(i, len(x), _TILE):
            tile = _tile(x, x, slice(i, i + _TILE), slice(j, j + _TILE))
            if i == j:
                tile.distances.fill_diagonal_(torch.inf)
            else:
                keep(tile.columns, tile.distances.T)
            keep(tile.rows, tile.distances)
    return found


def nearest_stranger(x: Tensor, groups: Tensor) -> Tensor:
    """Distance of each row of ``x`` (N, d) to the nearest row of another group: float64 (N,).

    Args:
        x: float64.
        groups: int (N,), equal for rows of one group; infinite where all are of one.
    """
    found = x.new_full((len(x),), torch.inf)
    for rows, columns, distances in tiles(x, x):
        distances[groups[rows][:, None] == groups[columns]] = torch.inf
        found[rows] = torch.minimum(found[rows], distances.min(1).values)
    return found


def _tile(x: Tensor, y: Tensor, rows: slice, columns: slice) -> Tile:
    a, b = x[rows], y[columns]
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    squared = torch.addmm(lengths, a, b.T, alpha=-2)
    squared[squared < _SAME * lengths] = 0
    return Tile(rows, columns, squared.sqrt_())
