"""Time and memory of scores of features over the number of images, as many generated as real.

    python benchmarks/scoring_scale.py [--images 400,1600,6400,25000,50000] [--dimension 2048]

Features are random numbers, of patients with thirty images each: scores mean nothing, and take what they
take. Each line is a process of its own that computes one score, without the context of a record. ``kid`` and
``manifold`` go through all pairs of images: beyond ``--flops``, a line is left out, and its time told on
paper by the largest that was measured. Linux only. Regenerates ``scoring_scale.json`` and
``scoring_scale.md`` in ``benchmarks/results``: half an hour on two cores that nobody shares.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import _report
import numpy as np
import torch

from harness.api import Population
from harness.scoring.metrics.frechet import Frechet
from harness.scoring.metrics.kernel import KernelDistance
from harness.scoring.metrics.manifold import Manifold

CPU = torch.device("cpu")
SPACE = "random"
METRICS = {
    "fd": Frechet(SPACE, "fd"),
    "kid": KernelDistance(SPACE, "kid"),
    "manifold": Manifold(SPACE),
}
#: Products of all pairs of images: among real ones, among generated ones, and between the two; for manifold
#: also real ones to strangers, and three draws of halves of the real images to each other and to strangers.
PAIRS = {"kid": 3.0, "manifold": 6.5}
PER_PATIENT = 30
#: A score of 50,000 against 50,000 images may take so much memory, features included.
WANTED_GIB = 8.0


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--images", default="400,1600,6400,25000,50000", help="comma separated")
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--flops", type=float, default=1e14, help="a line of more operations is left out")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=["score"])
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(score(**options.settings)))
        return
    lines = []
    for name in METRICS:
        for count in map(int, options.images.split(",")):
            line: dict[str, Any] = {"metric": name, "images": count}
            if operations(name, count, options.dimension) <= options.flops:
                settings = {"name": name, "count": count, "dimension": options.dimension}
                line |= _report.in_process(__file__, "score", **settings)
            lines.append(line)
            print(line, flush=True)
    numbers = {"dimension": options.dimension, "lines": lines}
    _report.publish("scoring_scale", numbers, page(numbers), out=options.out)


def operations(name: str, count: int, dimension: int) -> float:
    """Operations of the matrix products, two for each multiplication with an addition."""
    if name == "fd":
        return 4.0 * count * dimension * min(count, dimension)
    return 2 * PAIRS[name] * count**2 * dimension


def score(name: str, count: int, dimension: int) -> dict[str, Any]:
    """Seconds and the most memory, in GiB, of one score."""
    rng = np.random.default_rng(0)
    real, generated = (rng.standard_normal((count, dimension)) for _ in range(2))
    patients = np.array([f"p{number // PER_PATIENT}" for number in range(count)])
    metric = METRICS[name]
    started = time.perf_counter()
    reference = metric.reference(Population(real, patients), None)
    referred = time.perf_counter() - started
    scores = metric.compute(reference, Population(generated), CPU)
    return {
        "seconds": time.perf_counter() - started,
        "of_it_real_seconds": referred,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "features_gib": (real.nbytes + generated.nbytes) / 2**30,
        "scores": scores,
    }


def page(numbers: dict[str, Any]) -> str:
    """All of it in Markdown."""
    lines = numbers["lines"]
    measured = [line for line in lines if "peak_gib" in line]
    most = max(measured, key=lambda line: line["peak_gib"])
    parts = [
        "# Scores over the number of images, measured",
        f"Made by `python benchmarks/scoring_scale.py`. {_report.machine_words('cpu')}",
        f"As many generated images as real ones, with random features of {numbers['dimension']} dimensions; "
        "each line in a process of its own, whose libraries count. *Of it real*: done once for all "
        "evaluations of a training.",
        _report.table(
            ["score", "images", "seconds", "of it real", "memory GiB", "of it features"],
            [row(line, lines, numbers["dimension"]) for line in lines],
        ),
        f"The most memory: {most['peak_gib']:.1f} GiB, of {most['metric']} of {most['images']:,} images; "
        f"wanted were {WANTED_GIB:.0f} GiB at most: {'yes' if most['peak_gib'] <= WANTED_GIB else '**no**'}.",
    ]
    return "\n\n".join(parts) + "\n"


def row(line: dict[str, Any], lines: list[dict[str, Any]], dimension: int) -> list[object]:
    name, count = line["metric"], line["images"]
    if "error" in line:
        return [name, f"{count:,}", line["error"], "", "", ""]
    if "seconds" not in line:
        known = [one for one in lines if one["metric"] == name and "seconds" in one]
        if not known:
            return [name, f"{count:,}", "not measured", "", "", ""]
        largest = max(known, key=lambda one: one["images"])
        times = operations(name, count, dimension) / operations(name, largest["images"], dimension)
        return [name, f"{count:,}", f"{largest['seconds'] * times:.0f} on paper", "", "", ""]
    return [
        name, f"{count:,}", f"{line['seconds']:.2f}", f"{line['of_it_real_seconds']:.2f}",
        f"{line['peak_gib']:.2f}", f"{line['features_gib']:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
