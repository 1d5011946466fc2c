"""Is one model better than another? Differences of cells that share data, conditions and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..api import Goal
from ..errors import SpecError
from .entries import chosen_setup, is_usable
from .statistics import Floats, comparable, paired_t, why_no_test
from .survey import Conditions, Installed, Result, Which, conditions, differing


class Side(NamedTuple):
    """One of the two that are compared: what it is called, and its results."""

    name: str
    results: Sequence[Result]


@dataclass(frozen=True)
class Pairs:
    """The pairs on one data set.

    Attributes:
        name: The set and its resolution, and where the same set comes more than once, what is different.
        scores: Of both sides by seed.
    """

    name: str
    scores: Mapping[int, tuple[float, float]]

    def of(self, seeds: Iterable[int]) -> Floats:
        """Scores of both sides with these seeds, (2, seeds)."""
        return np.array([self.scores[seed] for seed in seeds], dtype=np.float64).reshape(-1, 2).T


@dataclass(frozen=True)
class Comparison:
    """A against B by one score.

    Attributes:
        score: Its name.
        goal: Whether lower or higher is better.
        sets: The pairs, by data set.
        differences: A minus B of those seeds that have a pair on every set, (seeds, sets).
        is_relative: Whether these are of logarithms, and so ratios of A to B.
        notes: What a reader must know.
    """

    score: str
    goal: Goal
    sets: Sequence[Pairs]
    differences: Floats
    is_relative: bool
    notes: Sequence[str]

    @property
    def why_no_test(self) -> str | None:
        """Why there is no p; None where there is one."""
        return why_no_test(self.differences)

    @property
    def p(self) -> float | None:
        """Of the paired t test over all sets, not adjusted; None without a test."""
        return None if self.why_no_test else float(paired_t(self.differences).p)


def compare(first: Side, second: Side, score: str, installed: Installed, which: Which) -> Comparison:
    """Compare two groups of results.

    Raises:
        SpecError: There is no pair, or a cell would be its own.
    """
    notes: dict[str, None] = {}
    ours, theirs = (_by_pair(side, score, installed, which, notes) for side in (first, second))
    common = sorted(set(ours) & set(theirs))
    if not common:
        stale = _stale([*first.results, *second.results], score, installed)
        raise SpecError(
            f"no two cells with {score} share data, conditions and seed "
            f"({len(ours)} against {len(theirs)} usable cells{stale})",
            needed="the same grid for both models",
            hint=_instead(first, second, score, installed),
        )
    if any(ours[key] is theirs[key] for key in common):
        raise SpecError(
            f"{first.name} and {second.name} are the same cells",
            needed="two models, or two setups of one",
            hint=f"bench compare {first.name} {second.name.partition('@')[0]}@NAME=VALUE",
        )
    if alone := len(set(ours) ^ set(theirs)):
        notes[f"{score}: {alone} cells have no counterpart"] = None
    names = _names({key: ours[key, seed] for key, seed in common}, score, installed)
    sets = [
        Pairs(
            name,
            {
                seed: (
                    ours[at, seed].record.scores[which][score],
                    theirs[at, seed].record.scores[which][score],
                )
                for at, seed in common
                if at == key
            },
        )
        for key, name in sorted(names.items(), key=lambda named: named[1])
    ]
    complete = sorted(set.intersection(*(set(pairs.scores) for pairs in sets)))
    if incomplete := len(common) - len(complete) * len(sets):
        notes[
            f"{score}: {incomplete} pairs are of seeds that not every set has; no mean over sets holds them"
        ] = None
    goal = installed.goal(score)
    scale, is_relative = comparable(
        np.stack([pairs.of(complete) for pairs in sets], axis=-1), lower_is_better=goal == "lower"
    )
    return Comparison(score, goal, sets, scale[0] - scale[1], is_relative, list(notes))


def _instead(first: Side, second: Side, score: str, installed: Installed) -> str:
    """What to type where a score has no pairs: the scores that both have, if there are any."""
    given = [
        {name for result in side.results for name in result.record.scores["best"]} for side in (first, second)
    ]
    both = sorted(name for name in given[0] & given[1] - {score} if installed.is_score(name))
    computed = f"--metric {','.join(both)}, which both have; or " if both else ""
    return f"{computed}bench grid table2 --models A,B"


def _stale(results: Iterable[Result], score: str, installed: Installed) -> str:
    """What makes results of other versions unusable, in the words of the first of them."""
    reasons = [reason for result in results if (reason := installed.why_stale(result, score))]
    return f"; {len(reasons)} are stale: {reasons[0]}" if reasons else ""


def _by_pair(
    side: Side, score: str, installed: Installed, which: Which, notes: dict[str, None]
) -> dict[tuple[Conditions, int], Result]:
    """Usable results by conditions and seed; of several setups under the same conditions, one is chosen."""
    groups: dict[Conditions, list[Result]] = {}
    for result in side.results:
        if is_usable(result, score, installed, which):
            groups.setdefault(conditions(result, installed.features_of(result, score)), []).append(result)
    found: dict[tuple[Conditions, int], Result] = {}
    for key, group in groups.items():
        chosen, others = chosen_setup(group)
        if others:
            spec = chosen[0].spec
            settings = differing({result: result.spec.model.config for result in group})[chosen[0]]
            notes[
                f"{side.name} on {spec.dataset.label} {spec.resolution} px is {settings}; {others} other "
                f"setup(s) are left out, and {spec.model.name}@NAME=VALUE chooses"
            ] = None
        found |= {(key, result.spec.seed): result for result in chosen}
    return found


def _names(results: Mapping[Conditions, Result], score: str, installed: Installed) -> dict[Conditions, str]:
    """A name for each set; one that comes more than once says which of its settings are different."""
    names = {key: f"{r.spec.dataset.label} {r.spec.resolution} px" for key, r in results.items()}
    circumstances = {key: _circumstances(result, score, installed) for key, result in results.items()}
    for name in set(names.values()):
        same = [key for key in names if names[key] == name]
        for key, difference in differing({key: circumstances[key] for key in same}).items():
            names[key] = f"{name} {difference}".strip()
    return names


def _circumstances(result: Result, score: str, installed: Installed) -> dict[str, object]:
    """What ``conditions`` tells apart, by the names of settings."""
    spec = result.spec
    features = installed.features_of(result, score) or {}
    return {
        **{name: value for name, value in spec.settings.items() if name not in spec.model.config},
        "metrics": spec.protocol.selecting_metric,
        "raw files": spec.dataset.fingerprint[:8],
        **{f"features.{name}": value for name, value in features.items()},
    }
