"""How often the standard errors of scores hold: simulated sets with a known truth.

    python benchmarks/coverage_metrics.py

regenerates ``benchmarks/results/coverage.md`` and ``coverage.json`` in about five minutes on one core.
Features are drawn instead of computed: of patients with several alike slices, or of independent images. The
truth is the mean of the estimate over all simulated worlds, so what is covered is the expected score *at
these numbers of images*.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import _report
import numpy as np
import torch
from numpy.typing import NDArray

from harness.api import Population
from harness.scoring.metrics.frechet import frechet_distance, frechet_error
from harness.scoring.metrics.jackknife import deviation_of_pairs
from harness.scoring.metrics.kernel import Among, kernel_distance
from harness.scoring.metrics.structure import _PAIRS, draw_pairs

NOMINAL = 0.95
ALLOWED = 0.03
DIMENSION = 48  # more than some of the worlds have images, and less than the others


class World(NamedTuple):
    """Numbers of a simulated comparison.

    Attributes:
        patients: Real patients.
        slices: Images of each.
        samples: Generated images.
        alike: Share of the variance that the slices of a patient have in common.
    """

    patients: int
    slices: int
    samples: int
    alike: float

    def real(self, rng: np.random.Generator) -> Population:
        """Real features and their patients."""
        own = rng.standard_normal((self.patients, 1, DIMENSION)) * self.alike**0.5
        values = own + rng.standard_normal((self.patients, self.slices, DIMENSION)) * (1 - self.alike) ** 0.5
        names = np.array([f"p{number:04d}" for number in range(self.patients)])
        return Population(_skewed(values.reshape(-1, DIMENSION)), np.repeat(names, self.slices))

    def generated(self, rng: np.random.Generator) -> Population:
        """Features of a passable generator: moved, and less diverse."""
        return Population(_skewed(0.9 * rng.standard_normal((self.samples, DIMENSION)) + 0.15))


WORLDS = (
    World(24, 1, 24, 0),
    World(50, 1, 50, 0),
    World(100, 1, 100, 0),
    World(400, 1, 400, 0),
    World(12, 8, 96, 0.7),
    World(25, 8, 200, 0.7),
    World(50, 8, 400, 0.7),
    World(100, 8, 400, 0.7),
)
Estimate = Callable[[Population, Population], tuple[float, float | None]]


def _skewed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive and skewed, with a decaying spectrum, as pooled activations are."""
    return np.maximum(values + 0.5, 0.1 * values) * np.exp(-2 * np.arange(DIMENSION) / DIMENSION)


def by_frechet(real: Population, generated: Population) -> tuple[float, float | None]:
    return frechet_distance(real.values, generated.values), frechet_error(real, generated)


def by_kernel(real: Population, generated: Population) -> tuple[float, float | None]:
    return kernel_distance(Among.of(real), Among.of(generated))


def by_pairs(real: Population, generated: Population) -> tuple[float, float | None]:
    """As ``ms_ssim_real``, with a similarity of features in place of MS-SSIM."""
    first, second = draw_pairs(len(real.values), _PAIRS)
    similar = np.exp(-np.square(real.values[first] - real.values[second]).mean(1))
    patients = np.unique(real.patients, return_inverse=True)[1]
    return float(similar.mean()), deviation_of_pairs(similar, patients[first], patients[second])


ESTIMATES: dict[str, Estimate] = {"fid": by_frechet, "kid": by_kernel, "ms_ssim": by_pairs}


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--worlds", type=int, default=400, help="simulations of each row")
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [covered(name, world, arguments.worlds) for name, world in itertools.product(ESTIMATES, WORLDS)]
    _report.publish("coverage", {"rows": rows}, page(rows, arguments.worlds), out=arguments.out)


def covered(name: str, world: World, count: int) -> dict[str, Any]:
    """How often the expected score lies within 1.96 standard errors of the estimate."""
    rng = np.random.default_rng([len(name), *world[:3]])
    found = [ESTIMATES[name](world.real(rng), world.generated(rng)) for _ in range(count)]
    scores, errors = np.array(found, dtype=float).T
    coverage = float((np.abs(scores - scores.mean()) <= 1.96 * errors).mean())
    row = {
        "score": name, **world._asdict(),
        "mean": float(scores.mean()), "deviation": float(scores.std(ddof=1)),
        "error": float(np.sqrt(np.square(errors).mean())), "coverage": coverage,
        "holds": abs(coverage - NOMINAL) <= ALLOWED,
    }  # fmt: skip
    print(row, flush=True)
    return row


def page(rows: list[dict[str, Any]], count: int) -> str:
    head = [
        "score", "patients", "slices of each", "samples", "true deviation", "mean standard error", "coverage",
        "95 % ± 3",
    ]  # fmt: skip
    lines = [
        [
            row["score"], row["patients"], row["slices"], row["samples"], f"{row['deviation']:.3g}",
            f"{row['error']:.3g}", f"{row['coverage']:.1%}", "yes" if row["holds"] else "no",
        ]
        for row in rows
    ]  # fmt: skip
    uncertain = 1.96 * (NOMINAL * (1 - NOMINAL) / count) ** 0.5
    return (
        "# Standard errors, simulated\n\n"
        f"Made by `python benchmarks/coverage_metrics.py`: {count} worlds a row, so a coverage of 95 % is "
        f"measured to within {uncertain:.1%}. Features of {DIMENSION} dimensions; slices of one patient "
        "share 70 % of their variance where there are several. Coverage: how often the expected score at "
        "these numbers lies within 1.96 standard errors. It is not the score of infinitely many images: of a "
        "Fréchet distance much is bias.\n\n"
        "**No interval is given for any of these scores**, for not every row is within 3 points of 95 %. "
        "Standard errors of `fid`, and of `kid` at few images, are too large (a jackknife errs on that "
        "side), those of `ms_ssim` somewhat too small, by a tenth for a dozen patients.\n\n"
        + _report.table(head, lines) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
