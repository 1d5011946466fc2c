"""Time and memory of scores of features over the number of images, beside other libraries.

    python benchmarks/scoring_scale.py [--images 400,1600,6400,25000,50000] [--dimension 2048]
    tox -e scoring_scale  # with all libraries

As many generated features as real ones: random numbers, of patients with thirty images each, that mean
nothing and take what they take. Each entry is a process of its own that computes one score. What would take
longer than ``--longest``, by the time of fewer images, is left out and its time told on paper. Linux only.
Regenerates ``scoring_scale.json`` and ``scoring_scale.md`` in ``benchmarks/results``: an hour on two cores
that nobody shares.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _report
import numpy as np
import torch
from _score_libraries import LIBRARIES, SUBSET, library_versions, quietly

from harness.api import Population
from harness.scoring.metrics.frechet import Frechet
from harness.scoring.metrics.kernel import KernelDistance
from harness.scoring.metrics.manifold import Manifold

CPU = torch.device("cpu")
SPACE = "random"
OURS = "ours"
METRICS = {
    "fd": Frechet(SPACE, "fd"),
    "kid": KernelDistance(SPACE, "kid"),
    "manifold": Manifold(SPACE),
}
#: Power of the number of images by which time grows at most: all pairs of images, or each image once.
GROWTH = {"fd": 1, "kid": 2, "manifold": 2}
PER_PATIENT = 30
#: A score of 50,000 against 50,000 images may take so much memory, features included.
WANTED_GIB = 8.0
#: No process may take more of the machine's memory than that: the machine would go down with it.
SHARE_OF_MEMORY = 0.9


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--images", default="400,1600,6400,25000,50000", help="comma separated")
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--longest", type=float, default=1200.0, help="seconds that an entry may take")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=["score"])
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(score(**options.settings)))
        return
    counts = [int(count) for count in options.images.split(",")]
    libraries = library_versions()
    numbers: dict[str, Any] = {"dimension": options.dimension, "libraries": libraries, "entries": []}
    for name in METRICS:
        for library in (OURS, *(known for known in LIBRARIES[name] if known in libraries)):
            numbers["entries"] += over_counts(name, library, counts, options.dimension, options.longest)
    _report.publish("scoring_scale", numbers, page(numbers), out=options.out)


def over_counts(
    name: str, library: str, counts: list[int], dimension: int, longest: float
) -> list[dict[str, Any]]:
    """A library's time and memory at each number of images, as far as it gets."""
    entries: list[dict[str, Any]] = []
    for count in counts:
        entry: dict[str, Any] = {"metric": name, "library": library, "images": count}
        before = entries[-1] if entries else {"seconds": 0.0, "images": count}
        known = before.get("seconds", before.get("expected"))
        if known is None:
            entry["error"] = "not tried"
        elif (expected := known * (count / before["images"]) ** GROWTH[name]) > longest:
            entry["expected"] = expected
        else:
            settings = {"name": name, "library": library, "count": count, "dimension": dimension}
            entry |= _report.in_process(__file__, "score", **settings)
        entries.append(entry)
        print(entry, flush=True)
    return entries


def score(name: str, library: str, count: int, dimension: int) -> dict[str, Any]:
    """Seconds and the most memory, in GiB, of one score."""
    most = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * SHARE_OF_MEMORY)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    rng = np.random.default_rng(0)
    real, generated = (rng.standard_normal((count, dimension)) for _ in range(2))
    patients = np.array([f"p{number // PER_PATIENT}" for number in range(count)])
    started = time.perf_counter()
    found: dict[str, Any] = {}
    if library == OURS:
        metric = METRICS[name]
        reference = metric.reference(Population(real, patients), None)
        found["of_it_real_seconds"] = time.perf_counter() - started
        found["scores"] = dict(metric.compute(reference, Population(generated), CPU))
    else:
        found["scores"] = {comparable(name): quietly(LIBRARIES[name][library], generated, real)}
    return {
        "seconds": time.perf_counter() - started,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        **found,
    }


def comparable(name: str) -> str:
    """The score that all libraries give."""
    return "precision" if name == "manifold" else name


def page(numbers: Mapping[str, Any]) -> str:
    """All of it in Markdown."""
    entries = numbers["entries"]
    ours = [entry for entry in entries if entry["library"] == OURS and "peak_gib" in entry]
    most = max(ours, key=lambda entry: entry["peak_gib"])
    versions = ", ".join(f"{name} {version}" for name, version in numbers["libraries"].items())
    parts = [
        "# Scores over the number of images, measured",
        f"Made by `tox -e scoring_scale`. {_report.machine_words('cpu')} Beside ours: {versions}.",
        f"As many generated images as real ones, with random features of {numbers['dimension']} dimensions. "
        "Seconds, and the most memory of the process in GiB, libraries and features included. *On paper*: "
        "told by the time of fewer images. *Real*: the part of our seconds that is spent once for all "
        "evaluations of a training.",
    ]
    for name in METRICS:
        parts += [f"## {name}", WORDS[name], metric_table(name, entries)]
        if agreement := agreements(name, entries):
            parts.append(agreement)
    parts.append(
        f"The most memory of ours: {most['peak_gib']:.1f} GiB, for {most['metric']} of {most['images']:,} "
        f"images; wanted were {WANTED_GIB:.0f} GiB at most: "
        f"{'yes' if most['peak_gib'] <= WANTED_GIB else '**no**'}."
    )
    return "\n\n".join(parts) + "\n"


WORDS = {
    "fd": "The Fréchet distance, from means and covariances.",
    "kid": "Ours is the U-statistic over all pairs of images; the others estimate it from 100 draws of "
    f"{SUBSET:,} images, which takes the same time for any number and varies with the draws.",
    "manifold": "Ours gives precision, recall, density, coverage and the shares of copies, the real images "
    "against strangers among them; torch-fidelity precision and recall; prdc the first four.",
}


def metric_table(name: str, entries: list[dict[str, Any]]) -> str:
    """A row for each number of images, a column for each library."""
    mine = [entry for entry in entries if entry["metric"] == name]
    libraries = list(dict.fromkeys(entry["library"] for entry in mine))
    found = {(entry["library"], entry["images"]): entry for entry in mine}
    rows = [
        [f"{count:,}", real_part(found[OURS, count]), *(cell(found[one, count]) for one in libraries)]
        for count in dict.fromkeys(entry["images"] for entry in mine)
    ]
    return _report.table(["images", "real", *libraries], rows)


def real_part(entry: Mapping[str, Any]) -> str:
    return f"{entry['of_it_real_seconds']:.2f} s" if "of_it_real_seconds" in entry else ""


def cell(entry: Mapping[str, Any]) -> str:
    """Time and memory, or why there is none."""
    if "seconds" in entry:
        return f"{entry['seconds']:.2f} s, {entry['peak_gib']:.2f} GiB"
    if "expected" in entry:
        return f"{entry['expected']:,.0f} s on paper"
    return "out of memory" if "memory" in entry["error"].lower() else str(entry["error"])


def agreements(name: str, entries: list[dict[str, Any]]) -> str:
    """By how much the libraries' numbers lie apart from ours, where they mean the same."""
    if name == "kid":
        return ""
    score = comparable(name)
    known = {
        (entry["library"], entry["images"]): entry["scores"][score]
        for entry in entries
        if entry["metric"] == name and "scores" in entry
    }
    apart = {
        library: max(
            abs(value / known[OURS, count] - 1)
            for (one, count), value in known.items()
            if one == library and (OURS, count) in known
        )
        for library in dict.fromkeys(one for one, _ in known)
        if library != OURS
    }
    words = ", ".join(f"{library} {value:.1e}" for library, value in apart.items())
    return f"Largest relative distance of `{score}` from ours: {words}." if apart else ""


if __name__ == "__main__":
    main()
