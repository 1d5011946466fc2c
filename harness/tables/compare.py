"""Is one model better than another? Paired over seeds and data sets, with what chance could do.

Two cells make a pair when they have the same data, conditions and seed. The interval is a percentile
bootstrap over pairs, resampled within each data set; the probability of improvement is that of Agarwal et
al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice, section 4.3): how likely a
random run of A beats a random run of B, averaged over data sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from numpy.typing import NDArray

from ..errors import SpecError
from .entries import chosen_setup, is_usable
from .sheets import Column, Sheet, SheetCell, number
from .survey import Installed, Result, Which, conditions

RESAMPLINGS = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """A against B by one score.

    Attributes:
        places: Pairs of (A's score, B's score), (n, 2), by data set and resolution.
        better: Relative improvement of A's mean over B's in percent, mean over places; above 0 A is better.
        interval: Its bootstrap interval.
        probability: Probability of improvement: 0.5 is a draw.
        probability_interval: Its bootstrap interval.
        unpaired: Usable cells that have no counterpart.
    """

    score: str
    places: Mapping[str, NDArray[np.float64]]
    better: float
    interval: tuple[float, float]
    probability: float
    probability_interval: tuple[float, float]
    unpaired: int


def compare(
    first: Iterable[Result], second: Iterable[Result], score: str, installed: Installed, which: Which
) -> Comparison:
    """Compare two groups of results.

    Raises:
        SpecError: There is no pair.
    """
    ours = _by_pair(first, score, installed, which)
    theirs = _by_pair(second, score, installed, which)
    common = sorted(set(ours) & set(theirs))
    if not common:
        raise SpecError(
            f"no two cells with {score} share data, conditions and seed "
            f"({len(ours)} against {len(theirs)} usable cells)",
            needed="the same grid for both models",
            hint="bench grid table2 --models A,B; --metric NAME where other scores were computed",
        )
    places: dict[tuple[str, str], list[tuple[float, float]]] = {}
    names: dict[tuple[str, str], str] = {}
    for key in common:
        spec = ours[key].spec
        names[key[0]] = f"{spec.dataset.label} {spec.resolution} px"
        pair = tuple(side[key].record.scores[which][score] for side in (ours, theirs))
        places.setdefault(key[0], []).append((pair[0], pair[1]))
    pairs = [np.array(place) for place in places.values()]
    sign = -1.0 if installed.goal(score) == "lower" else 1.0
    rng = np.random.default_rng(0)
    draws = [[place[rng.integers(0, len(place), len(place))] for place in pairs] for _ in range(RESAMPLINGS)]
    return Comparison(
        score=score,
        places=dict(zip(_unique(names[key] for key in places), pairs, strict=True)),
        better=_improvement(pairs, sign),
        interval=_interval([_improvement(draw, sign) for draw in draws]),
        probability=_probability(pairs, sign),
        probability_interval=_interval([_probability(draw, sign) for draw in draws]),
        unpaired=len(set(ours) ^ set(theirs)),
    )


def _by_pair(
    results: Iterable[Result], score: str, installed: Installed, which: Which
) -> dict[tuple[tuple[str, str], int], Result]:
    """Usable results by conditions and seed; of several setups under the same conditions, one is chosen."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if is_usable(result, score, installed, which):
            groups.setdefault(conditions(result, installed.features_of(result, score)), []).append(result)
    return {
        (key, result.spec.seed): result for key, group in groups.items() for result in chosen_setup(group)[0]
    }


def _improvement(places: Sequence[NDArray[np.float64]], sign: float) -> float:
    """Percent by which A's mean is better than B's, mean over places: scores of sets differ in scale."""
    changes = []
    for place in places:
        ours, theirs = place.mean(axis=0)
        changes.append(sign * 100 * (ours - theirs) / abs(theirs) if theirs else np.nan)
    return float(np.mean(changes))


def _probability(places: Sequence[NDArray[np.float64]], sign: float) -> float:
    """Share of all pairings of a run of A with a run of B that A wins; a tie is half a win."""
    shares = []
    for place in places:
        difference = sign * (place[:, :1] - place[:, 1:].T)
        shares.append(np.mean((difference > 0) + 0.5 * (difference == 0)))
    return float(np.mean(shares))


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _unique(names: Iterable[str]) -> list[str]:
    """Names with a number where the same one comes again: the same set under other conditions."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def comparison_sheet(first: str, second: str, comparisons: Sequence[Comparison]) -> Sheet:
    """The comparisons as a table."""
    rows, lines = [], []
    for one in comparisons:
        for place, pairs in one.places.items():
            ours, theirs = pairs.mean(axis=0)
            rows.append(
                [
                    SheetCell(f"{one.score}, {place}"),
                    SheetCell(number(ours)),
                    SheetCell(number(theirs)),
                    SheetCell(str(len(pairs))),
                    SheetCell(""),
                    SheetCell(""),
                ]
            )
        pairs_in_all = sum(map(len, one.places.values()))
        low, high = one.interval
        lowest, highest = one.probability_interval
        rows.append(
            [
                SheetCell(f"{one.score}, all"),
                SheetCell(""),
                SheetCell(""),
                SheetCell(str(pairs_in_all)),
                SheetCell(
                    f"{number(one.better, 3)} % [{number(low, 3)}, {number(high, 3)}]", value=one.better
                ),
                SheetCell(f"{one.probability:.2f} [{lowest:.2f}, {highest:.2f}]", value=one.probability),
            ]
        )
        lines.append(
            {
                "score": one.score,
                "pairs": pairs_in_all,
                "improvement_percent": one.better,
                "improvement_low": low,
                "improvement_high": high,
                "probability": one.probability,
                "probability_low": lowest,
                "probability_high": highest,
                "unpaired": one.unpaired,
            }
        )
    few = any(len(pairs) < 5 for one in comparisons for pairs in one.places.values())
    return Sheet(
        label="compare",
        caption=(
            f"{first} against {second}, paired over seeds and data sets. Better: how much {first}'s mean is "
            f"better, in percent; probability that a run of {first} beats one of {second}; brackets: "
            f"{LEVEL:.0%} bootstrap intervals."
        ),
        columns=[
            Column("score"),
            Column(first),
            Column(second),
            Column("pairs"),
            Column("better"),
            Column("probability"),
        ],
        rows=rows,
        numbers=pandas.DataFrame(lines),
        notes=[
            *(["fewer than 5 seeds on a set: the interval is too narrow to be trusted"] if few else []),
            *(
                f"{one.score}: {one.unpaired} cells have no counterpart"
                for one in comparisons
                if one.unpaired
            ),
        ],
    )
