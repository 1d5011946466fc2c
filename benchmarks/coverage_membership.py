"""How often the interval of ``mia_auc`` holds: simulated generators that copy a known share.

    python benchmarks/coverage_membership.py

regenerates ``benchmarks/results/coverage-membership.md`` and its JSON in a few minutes on one core. Features
are drawn instead of computed: of patients with several alike slices, or of independent images. A generator
makes new images, or, with a probability, a training image with a little noise. The truth is the mean of the
area over all simulated worlds.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import _report
import numpy as np
import torch
from numpy.typing import NDArray

from harness.scoring.metrics.membership import Membership, membership, nearest_sample

NOMINAL = 0.95
ALLOWED = 0.03
DIMENSION = 16
CPU = torch.device("cpu")


class World(NamedTuple):
    """Numbers of a simulated comparison.

    Attributes:
        patients: That are trained on.
        held_out: New patients.
        slices: Images of each.
        alike: Share of the variance that the slices of a patient have in common.
    """

    patients: int
    held_out: int
    slices: int
    alike: float


class Generator(NamedTuple):
    """What samples are.

    Attributes:
        name: What it is called.
        copies: How many in a hundred are training images with noise.
        noise: Its deviation.
        each: Whether every training image is copied once, instead of any at random.
    """

    name: str
    copies: int
    noise: float
    each: bool = False


WORLDS = (
    World(20, 20, 1, 0), World(40, 40, 1, 0), World(140, 40, 1, 0), World(400, 100, 1, 0),
    World(20, 20, 8, 0.7), World(40, 40, 8, 0.7), World(100, 40, 8, 0.7),
)  # fmt: skip
GENERATORS = (
    Generator("perfect", 0, 0),
    Generator("copies a tenth", 10, 0.3),
    Generator("copies half", 50, 0.3),
    Generator("copies at random", 100, 0.5),
    Generator("copies each", 100, 0.5, each=True),
)


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--worlds", type=int, default=600, help="simulations of each row")
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [covered(world, made, arguments.worlds) for world, made in itertools.product(WORLDS, GENERATORS)]
    _report.publish("coverage-membership", {"rows": rows}, page(rows, arguments.worlds), out=arguments.out)


def one(world: World, made: Generator, rng: np.random.Generator) -> Membership:
    """The area of one simulated world; as many samples as training images."""
    train, new = (_patients(count, world, rng) for count in (world.patients, world.held_out))
    samples = _scaled(rng.standard_normal(train.shape))
    is_copy = rng.uniform(size=len(train)) < made.copies / 100
    copied = np.arange(len(train)) if made.each else rng.integers(0, len(train), len(train))
    noise = _scaled(made.noise * rng.standard_normal(train.shape))
    samples[is_copy] = train[copied[is_copy]] + noise[is_copy]
    return membership(
        nearest_sample(train, samples, CPU), np.repeat(np.arange(world.patients), world.slices),
        nearest_sample(new, samples, CPU), np.repeat(np.arange(world.held_out), world.slices),
    )  # fmt: skip


def covered(world: World, made: Generator, count: int) -> dict[str, Any]:
    """How often the expected area lies in the interval, of the worlds that give one."""
    rng = np.random.default_rng([*world[:3], made.copies, made.each])
    found = [one(world, made, rng) for _ in range(count)]
    areas = np.array([each.auc for each in found])
    truth = areas.mean()
    inside = [each.interval[0] <= truth <= each.interval[1] for each in found if each.interval is not None]
    row = {
        **world._asdict(), "generator": made.name, "mean": float(truth),
        "deviation": float(areas.std(ddof=1)), "given": len(inside) / count,
        "coverage": float(np.mean(inside)) if inside else None,
        "alarms": float(np.mean([each.interval is not None and each.interval[0] > 0.5 for each in found])),
    }  # fmt: skip
    print(row, flush=True)
    return row


def _patients(count: int, world: World, rng: np.random.Generator) -> NDArray[np.float64]:
    own = rng.standard_normal((count, 1, DIMENSION)) * world.alike**0.5
    values = own + rng.standard_normal((count, world.slices, DIMENSION)) * (1 - world.alike) ** 0.5
    return _scaled(values.reshape(-1, DIMENSION))


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With a decaying spectrum."""
    return values * np.exp(-2 * np.arange(DIMENSION) / DIMENSION)


def page(rows: list[dict[str, Any]], count: int) -> str:
    head = [
        "samples", "patients", "held out", "slices of each", "mean mia_auc", "deviation", "interval given",
        "coverage", "95 % ± 3", "interval above 0.5",
    ]  # fmt: skip
    lines = [
        [
            row["generator"], row["patients"], row["held_out"], row["slices"], f"{row['mean']:.3f}",
            f"{row['deviation']:.3f}", f"{row['given']:.0%}", *_coverage(row), f"{row['alarms']:.1%}",
        ]
        for row in rows
    ]  # fmt: skip
    uncertain = 1.96 * (NOMINAL * (1 - NOMINAL) / count) ** 0.5
    return (
        "# The interval of mia_auc, simulated\n\n"
        f"Made by `python benchmarks/coverage_membership.py`: {count} worlds a row, so a coverage of 95 % is "
        f"measured to within {uncertain:.1%}. Features of {DIMENSION} dimensions; slices of one patient "
        "share 70 % of their variance where there are several. Coverage: how often the mean of all worlds "
        "lies in the interval, of those that give one: none is given below 40 patients on a side, nor where "
        "fewer than 2 of the smaller side's patients are in the wrong order. A perfect generator has an "
        "interval above 0.5 in 2.5 % of all comparisons if the interval is right.\n\n"
        + _report.table(head, lines) + "\n"
    )  # fmt: skip


def _coverage(row: dict[str, Any]) -> tuple[str, str]:
    # Of few worlds that give an interval nothing can be said, and nobody would see many.
    if row["coverage"] is None or row["given"] < 0.2:
        return "", ""
    return f"{row['coverage']:.1%}", "yes" if abs(row["coverage"] - NOMINAL) <= ALLOWED else "no"


if __name__ == "__main__":
    main()
