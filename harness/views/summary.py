"""What a report says first: what was compared, which is best, and whether that can be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..tables.asked import Row
from ..tables.entries import Entry, Place, column_of
from ..tables.marks import Marks, marks_of
from ..tables.sheets import number
from ..tables.statistics import MIN_PAIRS
from ..tables.survey import Installed, Result


@dataclass(frozen=True)
class Verdict:
    """What can be said of one data set at one resolution.

    Attributes:
        place: The data set and the resolution.
        compared: Models and their seeds.
        standing: Models by their mean score, better ones first: name, score, number of seeds.
        score: Which score, and where better ones lie.
        claim: Whether the first one may be called the best, in a sentence.
        is_claimed: Whether it may.
    """

    place: str
    compared: str
    standing: Sequence[tuple[str, str, int]]
    score: str
    claim: str
    is_claimed: bool


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """A verdict for each data set and resolution, by the score that chose most networks there."""
    installed = Installed()
    places = sorted({(result.spec.dataset.label, result.spec.resolution) for result in results})
    found = []
    for label, resolution in places:
        here = [r for r in results if (r.spec.dataset.label, r.spec.resolution) == (label, resolution)]
        scores = Counter(score for result in here if (score := _selecting(result, installed)))
        if scores:
            ((score, _),) = scores.most_common(1)
            found.append(_verdict(Place(label, resolution, score), here, installed))
    return found


def _selecting(result: Result, installed: Installed) -> str | None:
    """The score that chose a cell's networks, where its metric is installed."""
    return next((score for score in result.record.scores["selected"] if installed.is_score(score)), None)


def _verdict(place: Place, results: Sequence[Result], installed: Installed) -> Verdict:
    rows = [Row(model, model, {}) for model in sorted({result.spec.model.name for result in results})]
    entries, _ = column_of(rows, place, results, installed, "best")
    lower = installed.goal(place.score) == "lower"
    ranked = sorted(
        ((row, entry.mean) for row, entry in entries.items() if entry.mean is not None),
        key=lambda pair: pair[1] if lower else -pair[1],
    )
    marks = marks_of(entries, lower_is_better=lower)
    claim, is_claimed = _claim([row for row, _ in ranked], entries, marks)
    return Verdict(
        place=f"{place.dataset}, {place.resolution} px",
        compared=", ".join(f"{row.label} ({_seeds(entry)})" for row, entry in entries.items()),
        standing=[(row.label, number(mean), len(entries[row].values)) for row, mean in ranked],
        score=f"{place.score}, {'lower' if lower else 'higher'} is better",
        claim=claim,
        is_claimed=is_claimed,
    )


def _claim(order: Sequence[Row], entries: Mapping[Row, Entry], marks: Marks | None) -> tuple[str, bool]:
    if not order:
        return "No cell has a score of the installed versions.", False
    if len(order) == 1:
        return "There is nothing to compare it with.", False
    if marks is None:
        return f"Which is best can't be said: fewer than {MIN_PAIRS} seeds in common.", False
    best = [row.label for row in order if marks.get(row) == "best"]
    few = [row.label for row in order if len(entries[row].values) < MIN_PAIRS]
    left = f" Not ranked, with fewer than {MIN_PAIRS} seeds: {', '.join(few)}." if few else ""
    if len(best) == 1:
        return f"{best[0]} is best: more than chance tells every other one from it (5 %).{left}", True
    level = " and ".join(best)
    return f"Which is best can't be said: chance may have put {level} in this order.{left}", False


def _seeds(entry: Entry) -> str:
    count = len(entry.values)
    left = "".join(f", {number} {why}" for why, number in entry.left_out.items())
    return f"{count} seed{'s' if count != 1 else ''}{left}"
