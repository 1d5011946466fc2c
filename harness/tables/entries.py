"""What the records say about each row under each column of a table.

An entry is the mean over the seeds of one setup of a model. All entries of a column were made under the
same conditions; whatever else there is is left out and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from ..errors import BenchError
from ..grid.definition import Grid
from ..plugins import Registry
from ..resolve import model_class, preset_settings, read_value
from .survey import Installed, Result, Which, conditions

CAVEAT = "†"
"""Marks scores that come with a caveat, such as a leak of training data."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a table.

    Attributes:
        label: What it is called.
        model: The plugin.
        switches: Settings by which its records are told from those of other rows.
    """

    label: str
    model: str
    switches: Mapping[str, Any]

    def owns(self, result: Result) -> bool:
        """Whether a result belongs in this row."""
        config = result.spec.model.config
        return result.spec.model.name == self.model and all(
            config.get(name) == value for name, value in self.switches.items()
        )


@dataclass(frozen=True)
class Entry:
    """What the records say about one row under one column.

    Attributes:
        values: Scores of complete cells of installed versions, one for each seed.
        left_out: How many cells are there and not averaged, by reason: diverged, failed, stale.
        used: The results behind ``values``.
        notes: What a reader must know.
    """

    values: list[float]
    left_out: Counter[str]
    used: list[Result]
    notes: list[str]

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None without any."""
        return mean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; None with fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Place:
    """One column of scores: a data set, by its label, at a resolution."""

    dataset: str
    resolution: int
    score: str


def rows_of(grid: Grid, registry: Registry) -> list[Row]:
    """The rows of a grid's table: its models, or the rows of their ablations."""
    if not grid.ablation:
        return [Row(model, model, _asked_for(grid, model, registry)) for model in grid.models]
    rows = []
    for name in grid.models:
        model = model_class(registry, name)
        switched = {key for switches in model.ablation.values() for key in switches}
        for label, switches in model.ablation.items():
            config = model.Config(**switches).model_dump(mode="json")
            label = f"{name}: {label}" if len(grid.models) > 1 else label
            rows.append(Row(label, name, {key: config[key] for key in sorted(switched)}))
    return rows


def _asked_for(grid: Grid, name: str, registry: Registry) -> dict[str, Any]:
    """The model's settings that a grid names for all of its data sets and resolutions."""
    try:
        model = model_class(registry, name)
    except BenchError:
        return {}  # a record of a plugin that is not installed is still a record
    points = [point for point in grid.points() if (point.model, point.seed) == (name, grid.seeds[0])]
    configs = []
    for point in points:
        settings: dict[str, Any] = {}
        for preset in grid.presets:
            settings |= preset_settings(preset, name, model)
        settings |= grid.settings_of(point)
        own = {key: read_value(value) for key, value in settings.items() if key in model.Config.model_fields}
        config = model.Config(**own).model_dump(mode="json")
        configs.append({key: config[key] for key in own})
    first, *others = configs
    return {key: value for key, value in first.items() if all(o.get(key) == value for o in others)}


def column_of(
    rows: Sequence[Row], place: Place, results: Sequence[Result], installed: Installed, which: Which
) -> tuple[dict[Row, Entry], list[str]]:
    """The entries of a column, and what was left out of it."""
    here = [
        result
        for result in results
        if (result.spec.dataset.label, result.spec.resolution) == (place.dataset, place.resolution)
        and any(row.owns(result) for row in rows)
    ]
    by_conditions: dict[str, list[Result]] = {}
    for result in here:
        key = conditions(result, installed.features_of(result, place.score))
        by_conditions.setdefault(key, []).append(result)
    if not here:
        return {row: Entry([], Counter(), [], []) for row in rows}, []

    def coverage(group: list[Result]) -> tuple[int, int, int]:
        usable = [r for r in group if is_usable(r, place.score, installed, which)]
        covered = sum(any(row.owns(result) for result in usable) for row in rows)
        return covered, len(usable), group[0].spec.protocol.epochs

    chosen = max(by_conditions.values(), key=coverage)
    entries = {
        row: _entry([result for result in chosen if row.owns(result)], place.score, installed, which)
        for row in rows
    }
    left = []
    if len(chosen) < len(here):
        left.append(
            f"{place.dataset} {place.resolution} px: {len(here) - len(chosen)} cells under other conditions "
            "are left out; --where NAME=VALUE chooses"
        )
    without = [
        r for r in chosen if r.record.status == "complete" and place.score not in r.record.scores[which]
    ]
    if without:
        have = ", ".join(sorted({score for result in without for score in result.record.scores[which]}))
        left.append(
            f"{place.dataset} {place.resolution} px: {len(without)} cells have no {place.score}, but {have}"
        )
    return entries, left


def is_usable(result: Result, score: str, installed: Installed, which: Which) -> bool:
    """Whether a result may be averaged: complete, scored, and of installed versions."""
    return (
        result.record.status == "complete"
        and score in result.record.scores[which]
        and not installed.why_stale(result, score)
    )


def chosen_setup(results: Sequence[Result], registry: Registry) -> tuple[list[Result], int]:
    """The setup that stands for a model: its defaults if they were run, else what has the most seeds.

    Returns:
        Its results, and how many other setups there are.
    """
    setups: dict[str, list[Result]] = {}
    for result in results:
        setups.setdefault(result.setup, []).append(result)
    defaults = _defaults(registry, results[0].spec.model.name)
    best = max(
        setups.values(),
        key=lambda group: (group[0].spec.model.config == defaults, len(group), group[0].record.finished),
    )
    return best, len(setups) - 1


def _entry(results: Sequence[Result], score: str, installed: Installed, which: Which) -> Entry:
    if not results:
        return Entry([], Counter(), [], [])
    best, others = chosen_setup(results, installed.registry)
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
    return Entry([r.record.scores[which][score] for r in used], left_out, used, list(dict.fromkeys(notes)))


def _defaults(registry: Registry, model: str) -> dict[str, Any] | None:
    try:
        return model_class(registry, model).Config().model_dump(mode="json")
    except BenchError:
        return None  # a record of a plugin that is not installed is still a record
