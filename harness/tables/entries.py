"""What the records say about each row under each column of a table.

An entry is the mean over the seeds of one setup of a model. All entries of a column were made under the
same conditions; whatever else there is is left out and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from ..api import Goal
from ..errors import BenchError
from .asked import Row
from .remembered import remembered
from .sheets import number
from .survey import Installed, Result, Which, conditions

CAVEAT = "†"
"""Marks scores that come with a caveat, such as a leak of training data."""
LIMITED = "‡"
"""Marks scores near what real images score after the augmentation that a model was trained with."""
NEAR = 0.1
"""How near that is, relative to it; on the better side everything is."""


@dataclass(frozen=True)
class Entry:
    """What the records say about one row under one column.

    Attributes:
        values: Scores of complete cells of installed versions, one for each seed.
        left_out: How many cells are there and not averaged, by reason: diverged, failed, stale.
        used: The results behind ``values``.
        notes: What a reader must know.
        augmented_real: What real images score after the augmentation of ``used``; None without one.
        is_limited: Whether the mean is near that: it may say more of the augmentation than of the model.
    """

    values: list[float]
    left_out: Counter[str]
    used: list[Result]
    notes: list[str]
    augmented_real: float | None = None
    is_limited: bool = False

    @cached_property
    def mean(self) -> float | None:
        """Mean over seeds; None without any."""
        return mean(self.values) if self.values else None

    @cached_property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; None with fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Place:
    """One column of scores: a data set, by its label, at a resolution."""

    dataset: str
    resolution: int
    score: str


def same_conditions(
    rows: Sequence[Row],
    results: Sequence[Result],
    asked: Collection[str],
    condition_of: Callable[[Result], object],
    is_usable: Callable[[Result], bool],
) -> list[Result]:
    """Those results of one column that may stand beside each other.

    What was made on the asked terms comes first, then what fills most rows, has the most cells, and was
    trained longest.
    """
    groups: dict[object, list[Result]] = {}
    for result in results:
        groups.setdefault(condition_of(result), []).append(result)

    def rank(group: list[Result]) -> tuple[bool, int, int, int]:
        spec = group[0].spec
        usable = [result for result in group if is_usable(result)]
        filled = sum(any(row.owns(result) for result in usable) for row in rows)
        return spec.terms in asked, filled, len(usable), spec.protocol.epochs

    return max(groups.values(), key=rank, default=[])


def column_of(
    rows: Sequence[Row],
    place: Place,
    results: Sequence[Result],
    installed: Installed,
    which: Which,
    asked: Collection[str] = (),
) -> tuple[dict[Row, Entry], list[str]]:
    """The entries of a column, and what was left out of it. ``asked`` holds the terms of the table's grid."""
    here = [
        result
        for result in results
        if (result.spec.dataset.label, result.spec.resolution) == (place.dataset, place.resolution)
        and any(row.owns(result) for row in rows)
    ]
    chosen = same_conditions(
        rows,
        here,
        asked,
        lambda result: conditions(result, installed.features_of(result, place.score)),
        lambda result: is_usable(result, place.score, installed, which),
    )
    entries = {
        row: _entry([result for result in chosen if row.owns(result)], place.score, installed, which)
        for row in rows
    }
    left = []
    if others := len(here) - len(chosen):
        left.append(
            f"{place.dataset} {place.resolution} px: {others} cell(s) under other conditions left out; "
            "--where NAME=VALUE chooses"
        )
    without = [
        r for r in chosen if r.record.status == "complete" and place.score not in r.record.scores[which]
    ]
    if without:
        have = ", ".join(sorted({score for result in without for score in result.record.scores[which]}))
        left.append(
            f"{place.dataset} {place.resolution} px: {len(without)} cell(s) without {place.score}, but with "
            f"{have}; --metric NAME shows another score"
        )
    return entries, left


def is_usable(result: Result, score: str, installed: Installed, which: Which) -> bool:
    """Whether a result may be averaged: complete, scored, and of installed versions."""
    return (
        result.record.status == "complete"
        and score in result.record.scores[which]
        and not installed.why_stale(result, score)
    )


def chosen_setup(results: Sequence[Result]) -> tuple[list[Result], int]:
    """The setup that stands for a model: its defaults if they were run, else what has the most seeds.

    Returns:
        Its results, and how many other setups there are.
    """
    setups: dict[str, list[Result]] = {}
    for result in results:
        setups.setdefault(result.spec.setup, []).append(result)
    defaults = _defaults(results[0].spec.model.name)
    best = max(
        setups.values(),
        key=lambda group: (group[0].spec.model.config == defaults, len(group), group[0].record.finished),
    )
    return best, len(setups) - 1


def _entry(results: Sequence[Result], score: str, installed: Installed, which: Which) -> Entry:
    if not results:
        return Entry([], Counter(), [], [])
    best, others = chosen_setup(results)
    left_out: Counter[str] = Counter()
    used = []
    stale: dict[str, list[str]] = {}
    for result in best:
        if reason := installed.why_stale(result, score):
            left_out["stale"] += 1
            stale.setdefault(reason, []).append(result.folder.path.name)
        elif result.record.status != "complete":
            left_out[result.record.status] += 1
        elif score in result.record.scores[which]:
            used.append(result)
    notes = [
        f"{name} is stale: {reason}" + (f"; and {len(more)} more" if more else "")
        for reason, (name, *more) in stale.items()
    ]
    if others:
        notes.append(f"{others} other setup(s) are left out; --where NAME=VALUE chooses")
    for result in used:
        notes += [f"{CAVEAT} {caveat}" for caveat in result.record.caveats]
    values = [result.record.scores[which][score] for result in used]
    limit = _augmented_real(used, score)
    is_limited = bool(values) and limit is not None and _is_near(mean(values), limit, installed.goal(score))
    if is_limited and limit is not None:
        notes.append(
            f"{LIMITED} {score} is near what real images score after the same augmentation, {number(limit)}: "
            "a better model would not score better"
        )
    return Entry(values, left_out, used, list(dict.fromkeys(notes)), limit, is_limited)


def _augmented_real(used: Sequence[Result], score: str) -> float | None:
    """What the records say of augmented real images; None where one of them says nothing."""
    found = [result.record.context.get(f"{score}_augmented_real") for result in used]
    known = [value for value in found if value is not None]
    return mean(known) if known and len(known) == len(found) else None


def _is_near(value: float, limit: float, goal: Goal) -> bool:
    excess = value - limit if goal == "lower" else limit - value
    return excess <= NEAR * abs(limit)


def _defaults(model: str) -> dict[str, Any] | None:
    def find() -> dict[str, Any] | None:
        from ..running.resolve import model_class

        try:
            return model_class(model).Config().model_dump(mode="json")
        except BenchError:
            return None  # a record of a plugin that is not installed is still a record

    found: dict[str, Any] | None = remembered("defaults", {"model": model}, find)
    return found
