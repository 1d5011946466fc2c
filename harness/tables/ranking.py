"""Mean ranks of models over data sets and seeds, and which of them chance may have ordered (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..api import Goal
from ..errors import SpecError
from .asked import Row
from .entries import Entry, Place, column_of
from .statistics import MIN_PAIRS, comparable, told_apart, too_few
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
    columns, notes = _columns(results, score, installed, which)
    sets = {place: f"{place.dataset} {place.resolution} px" for place in columns}
    rows = dict.fromkeys(row for column in columns.values() for row in column)
    lacks = {row: [name for place, name in sets.items() if not columns[place][row].values] for row in rows}
    ranked = [row for row, where in lacks.items() if not where]
    missing = [f"{row.label} has no {score} on {', '.join(where)}" for row, where in lacks.items() if where]
    if len(ranked) < MIN_MODELS:
        raise SpecError(
            f"{len(ranked)} models have {score} on each of {', '.join(sets.values()) or 'no set'}"
            + "".join(f"; {words}" for words in missing),
            needed=f"{MIN_MODELS} to rank",
            hint="--datasets and --res choose sets, --metric a score; bench compare A B compares two models",
        )
    scores = [[_by_seed(column[row]) for column in columns.values()] for row in ranked]
    seeds = sorted(set.intersection(*(set(own) for by_set in scores for own in by_set)))
    if why := too_few(len(seeds), len(sets)):
        raise SpecError(
            f"no ranking over {len(seeds)} seeds that all models share on {', '.join(sets.values())}: {why}",
            needed=f"{MIN_PAIRS} cells of each model, of 2 seeds or more",
            hint="bench grid table2 --seeds 0,1,2,3,4,5",
        )
    values = np.array([[[own[seed] for own in by_set] for seed in seeds] for by_set in scores])
    goal = installed.goal(score)
    scale, _ = comparable(values, lower_is_better=goal == "lower")
    mean = stats.rankdata(values if goal == "lower" else -values, axis=0).mean(axis=(1, 2))
    order = np.argsort(mean, kind="stable")
    level = runs_without(told_apart(scale)[np.ix_(order, order)])
    ranks = {ranked[at].label: float(mean[at]) for at in order}
    return Ranking(
        score, goal, ranks, level, [*sets.values()], seeds, list(dict.fromkeys([*notes, *missing]))
    )


def _columns(
    results: Sequence[Result], score: str, installed: Installed, which: Which
) -> tuple[dict[Place, dict[Row, Entry]], list[str]]:
    """Entries of the models on each set where any has the score, and what a table would leave out."""
    rows = [Row(model, model, {}) for model in sorted({result.spec.model.name for result in results})]
    columns, notes = {}, []
    for label, side in sorted({(result.spec.dataset.label, result.spec.resolution) for result in results}):
        place = Place(label, side, score)
        column, left = column_of(rows, place, results, installed, which)
        notes += [*left, *(f"{row.label}: {note}" for row, entry in column.items() for note in entry.notes)]
        if any(entry.values for entry in column.values()):
            columns[place] = column
    return columns, notes


def _by_seed(entry: Entry) -> dict[int, float]:
    return {result.spec.seed: value for result, value in zip(entry.used, entry.values, strict=True)}


def runs_without(apart: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The longest runs of two neighbours or more in which no pair is apart, as first and last."""
    runs: list[tuple[int, int]] = []
    for first in range(len(apart)):
        last = first
        while last + 1 < len(apart) and not apart[first : last + 1, last + 1].any():
            last += 1
        if last > first and (not runs or runs[-1][1] < last):
            runs.append((first, last))
    return runs
