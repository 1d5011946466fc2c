"""Mean ranks of models over data sets and seeds, and which of them chance may have ordered (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..api import Goal
from ..errors import SpecError
from .entries import Entry, Place, Row, column_of
from .statistics import comparable, told_apart, why_no_test
from .survey import Installed, Result, Which

MIN_MODELS = 3


@dataclass(frozen=True)
class Ranking:
    """Models in the order of their mean ranks; rank 1 is the best of a set and a seed.

    Attributes:
        score: What they are ranked by.
        goal: Whether lower or higher is better.
        ranks: Mean rank by model, best first.
        level: First and last of neighbours no two of which can be told apart, by their places in ``ranks``.
        sets: The data sets.
        seeds: The seeds.
        notes: What was left out.
    """

    score: str
    goal: Goal
    ranks: dict[str, float]
    level: list[tuple[int, int]]
    sets: list[str]
    seeds: list[int]
    notes: list[str]


def ranking(results: Sequence[Result], score: str, installed: Installed, which: Which) -> Ranking:
    """Rank the models that have this score on every set, by the seeds that all of these have on all sets.

    Raises:
        SpecError: Too few models, or too few seeds to say anything about them.
    """
    goal = installed.goal(score)
    rows = [Row(model, model, {}) for model in sorted({result.spec.model.name for result in results})]
    columns: dict[Place, dict[Row, Entry]] = {}
    notes: list[str] = []
    for label, side in sorted({(result.spec.dataset.label, result.spec.resolution) for result in results}):
        place = Place(label, side, score)
        column, left = column_of(rows, place, results, installed, which)
        if any(entry.values for entry in column.values()):
            columns[place] = column
            notes += [
                *left,
                *(f"{row.label}: {note}" for row, entry in column.items() for note in entry.notes),
            ]
    ranked = [row for row in rows if columns and all(column[row].values for column in columns.values())]
    notes += [f"{row.label} has no {score} on every set" for row in rows if row not in ranked]
    sets = [f"{place.dataset} {place.resolution} px" for place in columns]
    if len(ranked) < MIN_MODELS:
        raise SpecError(
            f"{len(ranked)} models have {score} on each of {', '.join(sets) or 'no set'}",
            needed=f"{MIN_MODELS} to rank",
            hint="--datasets NAME,NAME and --res choose sets; bench compare A B compares two models",
        )
    scores = [
        [_by_seed(column[row]) for column in columns.values()] for row in ranked
    ]  # by model, by set, by seed
    seeds = sorted(set.intersection(*(set(own) for sets_of in scores for own in sets_of)))
    values = np.array([[[own[seed] for own in sets_of] for seed in seeds] for sets_of in scores])
    values = values.reshape(len(ranked), len(seeds), len(sets))
    if why := why_no_test(values[0] - values[1]):
        raise SpecError(
            f"no ranking: {len(seeds)} seeds that all models have, {len(sets)} sets; {why}",
            needed="6 pairs of two models or more, and 2 seeds",
            hint="bench grid table2 --seeds 0,1,2,3,4,5",
        )
    scale, _ = comparable(values, lower_is_better=goal == "lower")
    mean = stats.rankdata(values if goal == "lower" else -values, axis=0).mean(axis=(1, 2))
    order = np.argsort(mean, kind="stable")
    apart = told_apart(scale)[np.ix_(order, order)]
    return Ranking(
        score,
        goal,
        {ranked[at].label: float(mean[at]) for at in order},
        runs_without(apart),
        sets,
        seeds,
        list(dict.fromkeys(notes)),
    )


def _by_seed(entry: Entry) -> dict[int, float]:
    return {result.spec.seed: value for result, value in zip(entry.used, entry.values, strict=True)}


def runs_without(apart: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The longest runs of two neighbours or more in which no pair is apart, as first and last."""
    count = len(apart)
    runs = [
        (
            first,
            max(last for last in range(first, count) if not apart[first : last + 1, first : last + 1].any()),
        )
        for first in range(count)
    ]
    return [
        (first, last)
        for at, (first, last) in enumerate(runs)
        if last > first and (at == 0 or runs[at - 1][1] < last)
    ]
