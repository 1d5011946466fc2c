"""The leaderboard: records of any number of archives on one page, and only what can be compared in one table.

Cells share a table where they share the data (its content too), the resolution, how they were trained and
scored, and the version of the protocol. Within it, scores share a column where the metric has one version and
the features have one identity.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..cell.protocol import PROTOCOL_VERSION
from ..cell.records import Record
from ..errors import SpecError
from ..tables.survey import Installed
from .archive import SharedCell

NO_ARM = "as the model has it"


class Place(NamedTuple):
    """What cells of one table share; ``protocol`` is None where no version gives a cell its identity."""

    dataset: str
    resolution: int
    protocol: int | None
    conditions: str


class Column(NamedTuple):
    """What scores of one column share."""

    score: str
    metric_version: int | None
    features: str


@dataclass(frozen=True)
class Number:
    """A mean over seeds, and their standard deviation where there are several."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Row:
    """A model in one setup, over its seeds."""

    model: str
    version: int
    arm: str
    setup: str
    seeds: tuple[int, ...]
    scores: Mapping[Column, Number]
    caveats: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows that can be compared."""

    place: Place
    facts: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def protocol_of(record: Record) -> int | None:
    """The version of the protocol that a record was made under, which gave it its identity."""
    for version in range(PROTOCOL_VERSION, 0, -1):
        if record.spec.identity_under(version) == record.identity:
            return version
    return None


def tables_of(cells: Iterable[SharedCell]) -> tuple[list[Table], list[str]]:
    """The tables of a board, and what was left out of them, one sentence each."""
    seen: dict[str, Record] = {}
    places: dict[Place, list[Record]] = {}
    problems = []
    for cell in cells:
        record = cell.record
        if (twin := seen.setdefault(record.identity, record)) is not record:
            if twin.scores != record.scores:
                problems.append(
                    f"{cell.name}: two archives have it with other scores; the first one is shown"
                )
            continue
        if record.status != "complete":
            problems.append(f"{cell.name}: {record.status}, so it has no scores")
            continue
        spec = record.spec
        place = Place(spec.dataset.label, spec.resolution, protocol_of(record), spec.conditions)
        places.setdefault(place, []).append(record)
    order = sorted(places.items(), key=lambda item: (item[0].dataset, item[0].resolution, str(item[0])))
    return [_table(place, records) for place, records in order], problems


def _table(place: Place, records: Sequence[Record]) -> Table:
    setups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        model = record.spec.model
        setups.setdefault((model.name, model.version, record.spec.setup), []).append(record)
    rows = [_row(own) for own in setups.values()]
    first = records[0]
    selecting = first.spec.protocol.selecting_metric
    columns = sorted(
        {column for row in rows for column in row.scores},
        key=lambda column: (not column.score.startswith(selecting), column),
    )
    protocol = first.spec.protocol
    facts = (
        f"{first.n_generated} generated against {first.n_real} real images; {protocol.epochs} epochs of "
        f"{protocol.batch_size} images a step; networks chosen by {selecting}; "
        f"{'test patients held out' if protocol.held_out else 'all patients trained on'}; "
        f"images {first.spec.dataset.fingerprint[:12]}"
    )
    return Table(place, facts, tuple(columns), tuple(sorted(rows, key=lambda row: _rank(row, columns))))


def _rank(row: Row, columns: Sequence[Column]) -> tuple[bool, float]:
    """By the first column, better first; rows without that score come last."""
    number = row.scores.get(columns[0]) if columns else None
    if number is None:
        return True, 0.0
    return False, -number.mean if goal_of(columns[0].score) == "higher" else number.mean


def goal_of(score: str) -> str:
    """Whether lower or higher is better; empty where no metric that is installed here gives the score."""
    try:
        return Installed().goal(score)
    except SpecError:
        return ""


def _row(records: Sequence[Record]) -> Row:
    model = records[0].spec.model
    values: dict[Column, list[float]] = {}
    for record in records:
        for score, value in record.scores["best"].items():
            if goal_of(score):
                values.setdefault(_column(record, score), []).append(value)
    return Row(
        model=model.name,
        version=model.version,
        arm=_arm(model.config),
        setup=", ".join(f"{name}={json.dumps(value)}" for name, value in model.config.items()),
        seeds=tuple(sorted(record.spec.seed for record in records)),
        scores={
            column: Number(statistics.fmean(own), statistics.stdev(own) if len(own) > 1 else None)
            for column, own in values.items()
        },
        caveats=tuple(dict.fromkeys(caveat for record in records for caveat in record.caveats)),
    )


def _arm(config: Mapping[str, Any]) -> str:
    """How training images are augmented: what tables of the publication and of parity differ in."""
    augment = config.get("augment")
    if augment is None:
        return NO_ARM
    return "augment=" + (
        ",".join(augment) if isinstance(augment, list) and augment else str(augment or "none")
    )


def _column(record: Record, score: str) -> Column:
    installed = Installed()
    metric = installed.metric_of(score)
    versions = record.score_versions
    space = versions["features"].get(installed.space_of(metric), {})
    return Column(score, versions["metrics"].get(metric), " ".join(f"{k} {v[:12]}" for k, v in space.items()))


def board(cells: Iterable[SharedCell], *, title: str) -> str:
    """The board as one HTML page, which needs nothing beside it."""
    tables, problems = tables_of(cells)
    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined
    )
    filters = {
        "Data set": sorted({table.place.dataset for table in tables}),
        "Resolution": sorted({f"{table.place.resolution} px" for table in tables}, key=lambda t: int(t[:-3])),
        "Augmentation": sorted({row.arm for table in tables for row in table.rows}),
        "Protocol": sorted({_protocol(table.place.protocol) for table in tables}),
    }
    return environment.get_template("board.html").render(
        title=title, tables=tables, problems=problems, filters=filters, protocol=_protocol, goal_of=goal_of
    )


def _protocol(version: int | None) -> str:
    return "an unknown version" if version is None else f"version {version}"
