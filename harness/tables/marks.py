"""Which rows of a column bear the mark of the best: all that can't be told from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .asked import Row
from .entries import Entry, Place
from .sheets import Rank
from .statistics import MIN_PAIRS, level_with, told_apart

Marks = Mapping[Row, Rank]


def marks_of(entries: Mapping[Row, Entry], *, lower_is_better: bool) -> Marks | None:
    """The best row and its equals, then the same among the rest.

    Rows of ``MIN_PAIRS`` seeds or more are ranked, by the seeds that all of these share.

    Returns:
        No mark for a column that has nothing to rank; None where there are too few seeds to rank it.
    """
    scores = {
        row: {result.spec.seed: value for result, value in zip(entry.used, entry.values, strict=True)}
        for row, entry in entries.items()
        if entry.values
    }
    if len(scores) < 2:
        return {}
    ranked = [row for row, own in scores.items() if len(own) >= MIN_PAIRS]
    shared = sorted(set.intersection(*(set(scores[row]) for row in ranked))) if ranked else []
    if len(ranked) < 2 or len(shared) < MIN_PAIRS:
        return None
    values = np.array([[scores[row][seed] for seed in shared] for row in ranked])
    apart = told_apart(values[..., None])
    order = np.argsort(values.mean(axis=1) * (1 if lower_is_better else -1), kind="stable").tolist()
    best = level_with(order, apart)
    rest = [row for row in order if row not in best]
    second = level_with(rest, apart) if rest else []
    marks: dict[Row, Rank] = {ranked[row]: "best" for row in best}
    return marks | {ranked[row]: "second" for row in second}


def describe_marks(marks: Mapping[Place, Marks | None]) -> list[str]:
    """What bold and underlined mean, and where no ranking is claimed."""
    lines = []
    if any(marks.values()):
        lines.append(
            "Bold: the best row, and all that a paired t test over seeds can't tell from it (5 %, Holm over "
            "all pairs of rows); underlined: the same of the rest; rows of fewer than "
            f"{MIN_PAIRS} seeds are not ranked"
        )
    if unranked := [place for place, column in marks.items() if column is None]:
        where = ", ".join(f"{place.score} on {place.dataset} {place.resolution} px" for place in unranked)
        lines.append(
            f"No ranking is claimed{f' of {where}' if lines else ''}: fewer than {MIN_PAIRS} seeds in common"
        )
    return lines
