"""Whether the intervals and tests of comparisons hold what they say, on simulated scores of known truth.

    python benchmarks/coverage_comparisons.py [--repeats 20000]

Each cell's score is an effect of the model on the set, an effect of the seed on all of the model's sets, and
noise of its own. What ``bench compare`` shows for such scores is held against the truth; beside it stands
what it could have shown instead. Regenerates ``coverage-comparisons.json`` and ``.md`` in
``benchmarks/results`` in about a minute on one core.
"""

from __future__ import annotations

import argparse
from typing import Any

import _report
import numpy as np
from _comparisons import (
    DIFFERENCE,
    WORLDS,
    judge,
    judge_family,
    judge_marks,
    judge_others,
    judge_power,
    judge_ratios,
)

SIZES = ((3, 1), (5, 1), (6, 1), (10, 1), (2, 3), (3, 2), (3, 3), (6, 3), (10, 3))
"""Seeds and sets."""
WORLDS_OF_ONE_SET = WORLDS[:3]
"""The others differ from these in what sets have in common, or do not."""
TOLERANCE = 0.03


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=20_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    compared = [
        (seeds, sets, world.words, judge(world, seeds, sets, options.repeats, rng))
        for seeds, sets in SIZES
        for world in (WORLDS if sets > 1 else WORLDS_OF_ONE_SET)
    ]
    ratios = [
        (*size, *judge_ratios(*size, spread, options.repeats, rng))
        for size in SIZES
        for spread in (0.1, 0.3, 0.5)
    ]
    families = [
        (scores, alike, judge_family(scores, alike, options.repeats, rng))
        for scores in (2, 5)
        for alike in (0.0, 0.9)
    ]
    found = [
        (
            seeds,
            sets,
            *(judge_power(seeds, sets, difference, options.repeats, rng) for difference in (1, 2, 3)),
        )
        for seeds, sets in ((6, 1), (10, 1), (3, 3), (6, 3), (10, 3))
    ]
    others = [(*size, judge_others(*size, options.repeats, rng)) for size in ((3, 3), (10, 3), (10, 10))]
    marked = [
        (
            models,
            seeds,
            sets,
            world.words,
            *judge_marks(world, models, seeds, sets, options.repeats // 4, rng),
        )
        for models in (3, 7)
        for seeds, sets in ((6, 1), (10, 1), (3, 3), (6, 3))
        for world in (WORLDS[0], WORLDS[1], WORLDS[4])
    ]
    report(options, compared, ratios, others, found, families, marked)


def report(
    options: argparse.Namespace,
    compared: Any,
    ratios: Any,
    others: Any,
    found: Any,
    families: Any,
    marked: Any,
) -> None:
    shown = [judged for *_, judged in compared if judged.covered is not None]
    covered = [*(one.covered for one in shown), *(share for *_, share in ratios if share is not None)]
    worst = {
        "coverage": max(abs(share - 0.95) for share in covered),
        "false_positives": max(abs(one.false_positives - 0.05) for one in shown),
        "families": max(adjusted for *_, (_, adjusted) in families) - 0.05,
        "marks": max(max(false, lost) for *_, false, lost, _ in marked) - 0.05,
    }
    text = PAGE.format(
        repeats=options.repeats,
        machine=_report.machine_words(),
        reached="yes" if max(worst.values()) <= TOLERANCE else "**no**",
        points={name: f"{100 * distance:.1f}" for name, distance in worst.items()},
        difference=DIFFERENCE,
        compared=_report.table(
            ["seeds x sets", "scores", "covered", "false positives", "all cells", "sign flips", "bootstrap"],
            ([f"{seeds} x {sets}", words, *map(said, one)] for seeds, sets, words, one in compared),
        ),
        ratios=_report.table(
            ["seeds x sets", "noise", "shown in percent", "covered"],
            (
                [f"{seeds} x {sets}", f"{spread:.0%}", said(share), said(share_covered)]
                for seeds, sets, spread, share, share_covered in ratios
                if share is not None
            ),
        ),
        others=_report.table(
            ["seeds x sets", "covered"], ([f"{seeds} x {sets}", said(share)] for seeds, sets, share in others)
        ),
        found=_report.table(
            ["seeds x sets", "1 deviation", "2 deviations", "3 deviations"],
            ([f"{seeds} x {sets}", *map(said, shares)] for seeds, sets, *shares in found),
        ),
        families=_report.table(
            ["scores", "correlation", "each by itself", "Holm"],
            ([scores, alike, said(plain), said(adjusted)] for scores, alike, (plain, adjusted) in families),
        ),
        marked=_report.table(
            [
                "models",
                "seeds x sets",
                "scores",
                "told apart",
                "best without its mark",
                "best mean is another's",
            ],
            (
                [models, f"{seeds} x {sets}", words, *map(said, shares)]
                for models, seeds, sets, words, *shares in marked
            ),
        ),
    )
    numbers = {
        "repeats": options.repeats,
        "worst": worst,
        "compared": [
            {"seeds": seeds, "sets": sets, "scores": words, **one._asdict()}
            for seeds, sets, words, one in compared
        ],
        "ratios": ratios,
        "others": others,
        "found": found,
        "families": families,
        "marks": marked,
    }
    _report.publish("coverage-comparisons", numbers, text)


def said(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"


PAGE = """\
# What intervals and tests of comparisons hold

Made by `python benchmarks/coverage_comparisons.py`: {repeats} repetitions. {machine}

Wanted: wherever an interval or a test is shown, it covers 95 % and claims 5 % falsely, within 3 points, and
no family of tests claims more than 8 % falsely. Reached: {reached}. The largest distances are
{points[coverage]} points of an interval, {points[false_positives]} of a test, and above 5 %:
{points[families]} of several scores, {points[marks]} of marks.

## One score

Shown is a paired t interval and test of each seed's mean over the sets; "none" where `bench compare` gives
none. Beside it is the coverage of what is not used: a t interval of all cells as if they knew nothing of each
other, the exact sign-flip test of seeds (fewer than 6 can't reach 5 %), and the percentile bootstrap over the
pairs of each set. Sets are taken as they are.

{compared}

## Relative differences over sets

Distances whose levels differ ten-fold from set to set, with log-normal noise of this deviation; one model's
are truly 10 % larger. Percent are shown only where 0 is far from the scores; of these comparisons, so many
cover the truth.

{ratios}

## Sets that were not compared

Sets differ by one deviation of the noise. So often does the same interval hold the mean over all sets that
there could be: it does not speak of them.

{others}

## True differences

How often a true difference is found; in deviations of a model's scores over seeds, normal noise.

{found}

## Several scores

How often at least one of several scores of equal models is claimed to differ; 6 seeds on one set.

{families}

## Marks of tables, bars of ranks

How often any two of equal models are told apart (Holm over all pairs). Then of models that are truly
{difference:g} deviations apart from one to the next: how often the best one lacks the mark of the best, and
how often the best mean, which is what is usually printed bold, is another's.

{marked}
"""


if __name__ == "__main__":
    main()
