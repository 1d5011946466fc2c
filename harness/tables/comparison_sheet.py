"""Comparisons as a table: differences on each set and over all of them, with what chance could do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .compare import Comparison, Pairs
from .sheets import Column, Sheet, SheetCell, arrow, number
from .statistics import LEVEL, Floats, holm, paired_t, why_no_test


class _Line(NamedTuple):
    """A row before it is text; what is None is not said."""

    score: str
    place: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    is_relative: bool
    pairs: int
    p: float | None = None
    p_adjusted: float | None = None


def comparison_sheet(first: str, second: str, comparisons: Sequence[Comparison]) -> Sheet:
    """The comparisons as a table; p is adjusted for as many scores as are tested."""
    tested = {one.score: one.p for one in comparisons if one.p is not None}
    adjusted = dict(zip(tested, holm(np.array(list(tested.values()))).tolist(), strict=True))
    lines, rows = [], []
    for one in comparisons:
        own = [_of_set(one.score, pairs) for pairs in one.sets]
        if len(own) > 1:
            own.append(_of_all(one))
        own[-1] = own[-1]._replace(p=one.p, p_adjusted=adjusted.get(one.score))
        heads = [SheetCell(f"{one.score} {arrow(one.goal)}, {line.place}") for line in own]
        rows += [[head, *_cells(line, one)] for head, line in zip(heads, own, strict=True)]
        lines += own
    holds = f", Holm over {len(tested)} scores" if len(tested) > 1 else ""
    parts = [
        f"{first} against {second}: mean scores over cells that share data, conditions and seed, and "
        f"{first} minus {second}"
    ]
    if any(one.is_relative for one in comparisons):
        parts.append(f"Over several sets in percent: the geometric mean of {first} relative to {second}'s")
    if any(line.low is not None for line in lines):
        parts.append(f"Brackets: {LEVEL:.0%} interval over seeds on these sets, each by itself (paired t)")
    if tested:
        parts.append(f"p: paired t test over seeds, two-sided{holds}")
    else:
        parts.append("No test is made, and no ranking claimed")
    return Sheet(
        label="compare",
        caption=". ".join(parts) + ".",
        columns=[Column(name) for name in ("score", first, second, "difference", "p", "pairs")],
        rows=rows,
        numbers=[line._asdict() for line in lines],
        notes=_notes(comparisons),
    )


def _of_set(score: str, pairs: Pairs) -> _Line:
    ours, theirs = pairs.of(pairs.scores)
    differences = (ours - theirs)[:, None]
    low, high = _interval(differences)
    means = float(ours.mean()), float(theirs.mean())
    return _Line(score, pairs.name, *means, float(differences.mean()), low, high, False, len(pairs.scores))


def _of_all(one: Comparison) -> _Line:
    """The mean over sets, back from logarithms where they were taken."""
    low, high = _interval(one.differences)
    mean = float(one.differences.mean()) if one.differences.size else None
    if one.is_relative:
        mean, low, high = (None if value is None else float(np.expm1(value)) for value in (mean, low, high))
    place = f"all {len(one.sets)} sets"
    return _Line(one.score, place, None, None, mean, low, high, one.is_relative, one.differences.size)


def _interval(differences: Floats) -> tuple[float | None, float | None]:
    if why_no_test(differences):
        return None, None
    found = paired_t(differences)
    return float(found.low), float(found.high)


def _cells(line: _Line, one: Comparison) -> list[SheetCell]:
    """Scores, difference, p and number of pairs as text."""
    p = line.p_adjusted
    return [
        *(SheetCell("" if mean is None else number(mean), value=mean) for mean in (line.first, line.second)),
        SheetCell(_difference(line, one), value=line.difference),
        SheetCell("" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}", value=p),
        SheetCell(str(line.pairs), value=line.pairs),
    ]


def _difference(line: _Line, one: Comparison) -> str:
    if line.difference is None:
        return ""
    factor, unit = (100.0, " %") if line.is_relative else (1.0, "")
    text = number(factor * line.difference, 3) + unit
    if line.low is not None and line.high is not None:
        return f"{text} [{number(factor * line.low, 3)}, {number(factor * line.high, 3)}]"
    for pairs in one.sets:
        # Where there is no interval, every difference is shown.
        if pairs.name == line.place and 1 < line.pairs:
            each = "; ".join(number(ours - theirs, 3) for ours, theirs in pairs.scores.values())
            return f"{text} ({each})"
    return text


def _notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Why there is no test, once for all scores with the same reason, and what each comparison has to say."""
    reasons: dict[str, list[str]] = {}
    for one in comparisons:
        if reason := one.why_no_test:
            reasons.setdefault(reason, []).append(one.score)
    said = [f"{', '.join(scores)}: {reason}" for reason, scores in reasons.items()]
    return list(dict.fromkeys([*said, *(note for one in comparisons for note in one.notes)]))
