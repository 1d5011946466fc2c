"""How often an interval over patients that ``utility`` might give would hold: simulated patients.

    python benchmarks/coverage_utility.py

regenerates ``benchmarks/results/coverage-utility.md`` and its JSON in a minute on one core. A patient has a
Dice, a difference of two, or an HD95; the truth is the mean over all patients that there could be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import _report
import numpy as np
from numpy.typing import NDArray
from scipy import stats

COUNTS = (10, 20, 40, 80)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def beta(a: float, b: float) -> Draw:
    return lambda rng, count: rng.beta(a, b, count)


def failing(share: float) -> Draw:
    """Dice of a beta distribution, and 0 in a share of all patients."""
    return lambda rng, count: rng.beta(18, 2, count) * (rng.uniform(size=count) >= share)


WORLDS: dict[str, Draw] = {
    "Dice, beta(18, 2)": beta(18, 2),
    "Dice, beta(40, 1)": beta(40, 1),
    "Dice, beta(4, 1)": beta(4, 1),
    "Dice, beta(2, 2)": beta(2, 2),
    "Dice, 30 in 100 fail": failing(0.3),
    "Dice, 10 in 100 fail": failing(0.1),
    "Dice, 2 in 100 fail": failing(0.02),
    "gap, beta(18, 2) less beta(12, 3)": lambda rng, count: rng.beta(18, 2, count) - rng.beta(12, 3, count),
    "HD95, lognormal": lambda rng, count: rng.lognormal(0, 0.8, count),
    "HD95, 5 in 100 fail": lambda rng, count: np.where(
        rng.uniform(size=count) < 0.05, 45.0, rng.lognormal(0.5, 0.6, count)
    ),
}


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--worlds", type=int, default=4000, help="simulations of each number")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    for name, draw in WORLDS.items():
        rng = np.random.default_rng(0)
        truth = float(draw(rng, 2_000_000).mean())
        found[name] = {str(count): covered(draw, truth, count, chosen.worlds, rng) for count in COUNTS}
    rows = [[name, *(f"{100 * share:.1f}" for share in row.values())] for name, row in found.items()]
    text = "\n".join(
        [
            "# Intervals of utility, simulated",
            "",
            "`python benchmarks/coverage_utility.py`: in how many of 100 simulated studies the 95 %",
            f"interval over test patients (Student's) holds the true mean, {chosen.worlds} studies each.",
            "Where few patients fail it does not, so none is given.",
            "",
            _report.table(["a patient's value", *(f"{count} patients" for count in COUNTS)], rows),
            "",
            _report.machine_words(),
            "",
        ]
    )
    _report.publish("coverage-utility", {"worlds": chosen.worlds, "coverage": found}, text)


def covered(draw: Draw, truth: float, count: int, worlds: int, rng: np.random.Generator) -> float:
    """The share of studies of so many patients whose interval holds the truth."""
    inside = 0
    for _ in range(worlds):
        values = draw(rng, count)
        reach = stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count)
        inside += bool(abs(values.mean() - truth) <= reach)
    return inside / worlds


if __name__ == "__main__":
    main()
