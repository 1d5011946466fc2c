"""Small plots of text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

BARS = " ▁▂▃▄▅▆▇█"


def plot(points: Sequence[tuple[float, float]], *, width: int = 60, height: int = 4) -> list[str]:
    """Lines of a plot of (x, y), with its highest and lowest value on the left.

    Values that share a column are averaged; a column without any repeats the one before it.
    """
    if not points:
        return []
    values = _columns(points, width)
    low, high = min(values), max(values)
    heights = [_height(value, low, high) * height for value in values]
    lines = []
    for row in range(height - 1, -1, -1):
        levels = [min(max(round((value - row) * 8), 0), 8) for value in heights]
        label = f"{high:.4g}" if row == height - 1 else f"{low:.4g}" if row == 0 else ""
        lines.append(f"{label:>9} │{''.join(BARS[level] for level in levels)}".rstrip())
    return lines


def _height(value: float, low: float, high: float) -> float:
    """Between a sliver, which is seen, and 1."""
    return 0.06 + 0.94 * (0.5 if high == low else (value - low) / (high - low))


def _columns(points: Sequence[tuple[float, float]], width: int) -> list[float]:
    first, last = points[0][0], points[-1][0]
    width = min(width, len(points))
    groups: list[list[float]] = [[] for _ in range(width)]
    for x, y in points:
        at = 0 if last == first else int((x - first) / (last - first) * (width - 1e-9))
        groups[min(max(at, 0), width - 1)].append(y)
    values: list[float] = []
    for group in groups:
        values.append(sum(group) / len(group) if group else values[-1])
    return values
