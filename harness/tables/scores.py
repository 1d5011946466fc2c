"""Tables of scores: what the records say about a grid, laid out with captions, ranks and published values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cell.spec import label_of
from ..grid.definition import Grid
from .asked import Row, rows_of, terms_of
from .entries import CAVEAT, LIMITED, Entry, Place, column_of
from .marks import describe_marks, marks_of
from .published import lookup
from .sheets import Column, Rank, Sheet, SheetCell, arrow, decimals_of, number
from .survey import Installed, Survey, Which

MISSING = "–"  # noqa: RUF001
WHICH: Mapping[Which, str] = {
    "best": "Best networks of each training, on fresh samples",
    "last": "Last networks of each training, on fresh samples",
    "selected": "Best evaluation of each training, on the samples that it was selected by",
}


def score_sheet(
    grid: Grid,
    found: Survey,
    *,
    scores: Sequence[str] = (),
    which: Which = "best",
    against_published: bool = False,
) -> Sheet:
    """The table of a grid.

    Args:
        grid: Its models (or their ablation rows) are the rows, its data sets the columns.
        found: The records to take.
        scores: Scores or metrics to show; the grid's by default. Each comes with its regions, unless the
            list names a region, as ``mae,mae/lesion`` does: then it is taken as it stands.
        which: Scores of the best networks or of the last, on fresh samples, or what the best were
            selected by.
        against_published: Put the published value and the difference beside each of ours.
    """
    installed = Installed()
    rows = rows_of(grid)
    terms = terms_of(grid)
    asked = installed.scores(scores or grid.table.scores)
    as_it_stands = any("/" in score for score in asked)
    places = [
        Place(label, resolution, part)
        for resolution in grid.resolutions
        for label in (label_of(dataset, grid.pair) for dataset in grid.datasets)
        for score in asked
        for part in ([score] if as_it_stands else _parts(score, label, found, which))
    ]
    notes = list(found.problems)
    captions: dict[str, None] = {}
    table: dict[tuple[Row, Place], Entry] = {}
    for place in places:
        own = terms.get((place.dataset, place.resolution), ())
        column, left = column_of(rows, place, found.results, installed, which, own)
        table |= {(row, place): entry for row, entry in column.items()}
        captions |= dict.fromkeys(_describe(place, column, which))
        notes += left
    for (row, _), entry in table.items():
        notes += [f"{row.label}: {note}" for note in entry.notes]
    published = {
        (row, place): lookup(
            grid.table.published,
            place.score,
            model=row.label if grid.ablation else row.model,
            dataset=place.dataset,
            resolution=place.resolution,
        )
        for row, place in table
    }
    seeds = max((len(entry.values) for entry in table.values()), default=0)
    marks = {
        place: marks_of(
            {row: entry for (row, at), entry in table.items() if at == place},
            lower_is_better=installed.goal(place.score) == "lower",
        )
        for place in places
    }
    captions |= dict.fromkeys(describe_marks(marks))
    columns, makers = _layout(grid, table, places, marks, published, installed, seeds, against_published)
    return Sheet(
        label=grid.name,
        caption=_caption(grid, which, seeds, captions, against_published),
        columns=[Column("row" if grid.ablation else "model"), *columns],
        rows=[[SheetCell(row.label), *(make(row) for make in makers)] for row in rows],
        numbers=_numbers(table, published, which),
        notes=list(dict.fromkeys(notes)),
    )


def _parts(score: str, label: str, found: Survey, which: Which) -> list[str]:
    """A score, and the same inside each region that the records of a data set have."""
    names = {
        name
        for result in found.results
        if result.spec.dataset.label == label
        for name in result.record.scores[which]
        if name.startswith(f"{score}/")
    }
    return [score, *sorted(names)]


def _describe(place: Place, entries: Mapping[Row, Entry], which: Which) -> list[str]:
    """Numbers of images, length, and the distance between real halves of a column, for the caption."""
    records = [result.record for entry in entries.values() for result in entry.used]
    if not records:
        return []
    first = records[0]
    protocol = first.spec.protocol
    labelled = ", with labels" if protocol.labels else ""
    words = (
        f"{place.dataset} {place.resolution} px{labelled}: {first.n_generated} generated against "
        f"{first.n_real} real, {protocol.epochs} epochs of {protocol.batch_size} images a step "
        f"({first.steps} steps)"
    )
    lines = [words]
    halves = {
        (record.context[f"{place.score}_halves"], record.context.get(f"{place.score}_halves_n"))
        for record in records
        if f"{place.score}_halves" in record.context
    }
    if halves:
        distance, size = max(halves)
        at = f" at {size:.0f} images" if size else ""
        lines.append(
            f"{place.dataset} {place.resolution} px: {place.score} between halves of the real patients "
            f"{number(distance)}{at}"
        )
    limits: dict[str, list[str]] = {}
    for row, entry in entries.items():
        if entry.augmented_real is not None:
            limits.setdefault(number(entry.augmented_real), []).append(row.label)
    lines += [
        f"{place.dataset} {place.resolution} px: {place.score} of real images after the augmentation of "
        f"{', '.join(labels)} {limit}"
        for limit, labels in limits.items()
    ]
    return lines


def _caption(
    grid: Grid, which: Which, seeds: int, captions: Mapping[str, None], against_published: bool
) -> str:
    parts = [grid.title or grid.name]
    if seeds > 1:
        parts.append(f"Mean ± standard deviation over {seeds} seeds, fewer where n says so")
    elif seeds == 1:
        parts.append("One seed")
    else:
        parts.append("No score yet")
    parts.append(WHICH[which])
    if against_published:
        parts.append("In the columns beside: the published value, ours minus published")
    return ". ".join([*parts, *captions]) + "."


Maker = Callable[[Row], SheetCell]


def _layout(
    grid: Grid,
    table: Mapping[tuple[Row, Place], Entry],
    places: Sequence[Place],
    marks: Mapping[Place, Mapping[Row, Rank] | None],
    published: Mapping[tuple[Row, Place], float | None],
    installed: Installed,
    seeds: int,
    against_published: bool,
) -> tuple[list[Column], list[Maker]]:
    """Heads, and for each a function from a row to its cell."""
    columns: list[Column] = []
    makers: list[Maker] = []
    several = len(grid.resolutions) > 1
    for place in places:
        group = f"{place.dataset} {place.resolution} px" if several else place.dataset
        columns.append(Column(f"{place.score} {arrow(installed.goal(place.score))}", group))
        makers.append(
            lambda row, place=place: SheetCell(  # type: ignore[misc]
                _text(table[row, place], seeds),
                (marks[place] or {}).get(row, ""),
                table[row, place].mean,
            )
        )
        if against_published:
            columns += [Column("published", group), Column("difference", group)]
            makers += [
                lambda row, place=place: _plain(published[row, place]),  # type: ignore[misc]
                lambda row, place=place: _difference(table[row, place].mean, published[row, place]),  # type: ignore[misc]
            ]
    return columns, makers


def _text(entry: Entry, seeds: int) -> str:
    if entry.mean is None:
        return ", ".join(entry.left_out) or MISSING
    text = number(entry.mean)
    if entry.deviation is not None:
        text += f" ± {entry.deviation:.{decimals_of(entry.mean)}f}"
    if any(result.record.caveats for result in entry.used):
        text += CAVEAT
    if entry.is_limited:
        text += LIMITED
    remarks = [f"n={len(entry.values)}"] if len(entry.values) < seeds else []
    remarks += [f"{count} {reason}" for reason, count in entry.left_out.items()]
    return f"{text} ({', '.join(remarks)})" if remarks else text


def _plain(value: float | None) -> SheetCell:
    return SheetCell(MISSING if value is None else f"{value:g}", value=value)


def _difference(ours: float | None, theirs: float | None) -> SheetCell:
    if ours is None or theirs is None:
        return SheetCell(MISSING)
    difference = ours - theirs
    return SheetCell(("+" if difference > 0 else "") + number(difference), value=difference)


def _numbers(
    table: Mapping[tuple[Row, Place], Entry],
    published: Mapping[tuple[Row, Place], float | None],
    which: Which,
) -> list[dict[str, Any]]:
    lines = []
    for (row, place), entry in table.items():
        record = entry.used[0].record if entry.used else None
        lines.append(
            {
                "row": row.label,
                "model": row.model,
                "dataset": place.dataset,
                "resolution": place.resolution,
                "score": place.score,
                "which": which,
                "mean": entry.mean,
                "std": entry.deviation,
                "n_seeds": len(entry.values),
                "seeds": " ".join(str(result.spec.seed) for result in entry.used),
                "published": published[row, place],
                "diverged": entry.left_out["diverged"],
                "failed": entry.left_out["failed"],
                "stale": entry.left_out["stale"],
                "n_real": record and record.n_real,
                "n_generated": record and record.n_generated,
                "epochs": record and record.spec.protocol.epochs,
                "steps": record and record.steps,
                "caveats": "; ".join(record.caveats) if record else "",
            }
        )
    return lines
