"""The critical-difference diagram: models on an axis of mean ranks, bars over those that can't be told apart.

The form is Demsar's (2006). There is no one critical distance here, because pairs of models are compared as
``bench compare`` compares them, and not by their ranks.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from ..tables.ranking import Ranking
from ..tables.sheets import arrow

LINE = 0.22
"""Inches from one name or bar to the next."""
HEAD = 0.7
"""Inches for title and axis."""
WIDTH = 6.4
MARGIN = 0.22
"""Share of the width on each side of the axis, for names."""
BEYOND = 0.006
"""How far a bar reaches beyond the models that it joins."""


def ranks_figure(ranking: Ranking) -> Figure:
    """The diagram of a ranking; the best model is on the left."""
    names = list(ranking.ranks)
    half = (len(names) + 1) // 2
    bars = _stacked(ranking.level)
    depth = LINE * (max((line for line, _ in bars), default=-1) + 1.7)
    height = HEAD + depth + LINE * (half + 1.8)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)  # inches from the top

    def across(rank: float) -> float:
        return MARGIN + (1 - 2 * MARGIN) * (rank - 1) / (len(names) - 1)

    axes.plot([across(1), across(len(names))], [HEAD, HEAD], color="black", linewidth=1)
    for rank in range(1, len(names) + 1):
        axes.plot([across(rank)] * 2, [HEAD - 0.07, HEAD], color="black", linewidth=1)
        axes.text(across(rank), HEAD - 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    for line, ends in bars:
        left, right = (across(ranking.ranks[names[end]]) for end in ends)
        at = HEAD + LINE * (line + 0.6)
        style: dict[str, Any] = {"color": "black", "linewidth": 3.5, "solid_capstyle": "butt"}
        axes.plot([left - BEYOND, right + BEYOND], [at, at], **style)
    for place, name in enumerate(names):
        is_left = place < half
        x, value = across(ranking.ranks[name]), f"{ranking.ranks[name]:.2f}"
        edge = MARGIN - 0.02 if is_left else 1 - MARGIN + 0.02
        at = HEAD + depth + LINE * ((place if is_left else len(names) - 1 - place) + 0.5)
        axes.plot([x, x, edge], [HEAD, at, at], color="0.35", linewidth=0.8)
        words = f"{name}  {value} " if is_left else f" {value}  {name}"
        axes.text(edge, at, words, ha="right" if is_left else "left", va="center", fontsize=8)
    sets = ", ".join(ranking.sets)
    title = f"{ranking.score} {arrow(ranking.goal)}, mean rank over {len(ranking.seeds)} seeds: {sets}"
    axes.text(0.5, 0.06, textwrap.fill(title, 80), ha="center", va="top", fontsize=9)
    words = "Bars join models that can't be told apart: paired t test over seeds, Holm over all pairs, 5 %."
    axes.text(0.5, height - 0.06, words, ha="center", va="bottom", fontsize=7)
    return figure


def _stacked(bars: Sequence[tuple[int, int]]) -> list[tuple[int, tuple[int, int]]]:
    """Each bar with the first line on which it touches no other."""
    ends: list[int] = []
    placed = []
    for bar in bars:
        line = next((line for line, end in enumerate(ends) if end < bar[0]), len(ends))
        ends[line : line + 1] = [bar[1]]
        placed.append((line, bar))
    return placed
