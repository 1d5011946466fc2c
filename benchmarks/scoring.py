"""Correctness and speed of scoring, beside clean-fid and torch-fidelity in one process.

    python benchmarks/scoring.py

regenerates ``benchmarks/results/scoring.md`` and ``scoring.json`` in about fifteen minutes on two cores.
Everybody reads the same PNG files and uses the same random weights: times and linear algebra are those of
the trained network, the distances are not FIDs. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import _report
import numpy as np
import torch
import torch_fidelity
from cleanfid import fid as cleanfid
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harness.api import FeatureSpace, Population
from harness.data.pictures import save_png
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset
from harness.running.environment import describe, versions
from harness.scoring.generated import load_images
from harness.scoring.metrics.frechet import Frechet, frechet_distance
from harness.scoring.metrics.kernel import KernelDistance
from harness.scoring.metrics.manifold import Manifold
from harness.scoring.metrics.patches import SlicedWasserstein
from harness.scoring.metrics.structure import PairwiseMSSSIM
from harness.scoring.scorer import Scorer
from harness.scoring.spaces.inception import Inception
from harness.scoring.weights import Weights

CPU = torch.device("cpu")
COUNT, DIMENSION = 396, 2048
Result = TypeVar("Result")


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(json.dumps(peak_memory()))
        return
    warnings.simplefilter("ignore")
    load = [os.getloadavg()[0]]
    rows: list[dict[str, Any]] = []
    rows += precision_of_frechet()
    rows += speed_of_frechet()
    rows += speed_of_neighbours()
    rows += memory()
    with tempfile.TemporaryDirectory() as folder:
        for side in (64, 256):
            rows += whole_scoring(side, Path(folder))
            load.append(os.getloadavg()[0])
    _report.publish("scoring", {"rows": rows}, as_markdown(rows, load), out=arguments.out)


def row(what: str, value: float, unit: str, limit: float | None = None, note: str = "") -> dict[str, Any]:
    """One line of the table; ``limit`` is what must be reached: a ceiling, or a floor for "times"."""
    print(f"{what}: {value:.4g} {unit} {note}", flush=True)
    reached = None if limit is None else bool(value >= limit if unit == "times" else value <= limit)
    return {"what": what, "value": value, "unit": unit, "limit": limit, "reached": reached, "note": note}


def timed(function: Callable[[], Result], repeats: int = 1) -> tuple[float, Result]:
    """Shortest of ``repeats`` times in seconds, and the result."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def features(count: int, seed: int, dimension: int = DIMENSION, shift: float = 0.0) -> NDArray[np.float64]:
    """Correlated features with a decaying spectrum, all positive like pooled activations."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((dimension, dimension)) / dimension**0.5
    scales = np.exp(-4 * np.arange(dimension) / dimension)
    return np.abs((rng.standard_normal((count, dimension)) * scales) @ mixing + shift)


def reference(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The Fréchet distance in 80-bit arithmetic.

    The trace of the root is the largest tr(W' A B') over all W of spectral norm 1. At the maximum it is
    flat, so a W from a float64 decomposition, orthonormalised in 80 bits, gives it to about 1e-19.
    """
    centred = [
        (side - side.mean(0)) / np.sqrt(np.longdouble(len(side) - 1)) for side in map(np.longdouble, (x, y))
    ]
    product = centred[0] @ centred[1].T
    left, values, right = np.linalg.svd(product.astype(np.float64), full_matrices=False)
    rank = int((values > values[0] * 1e-12).sum())
    bases = []
    for basis in (left[:, :rank], right[:rank].T):
        exact = np.longdouble(basis)
        for _ in range(2):
            exact = exact @ (3 * np.eye(rank, dtype=np.longdouble) - exact.T @ exact) / 2
        bases.append(exact)
    root = (bases[0].T @ product * bases[1].T).sum()
    shift = ((np.longdouble(x).mean(0) - np.longdouble(y).mean(0)) ** 2).sum()
    return float(shift + sum((side**2).sum() for side in centred) - 2 * root)


def precision_of_frechet() -> list[dict[str, Any]]:
    rows = []
    for count, dimension in ((COUNT, DIMENSION), (700, 256)):
        x, y = features(count, 1, dimension), features(count, 2, dimension, shift=0.02)
        exact = reference(x, y)
        rows.append(
            row(
                f"Fréchet distance against 80 bits, N = {count}, d = {dimension}",
                abs(frechet_distance(x, y) / exact - 1), "relative", 1e-9,
                f"clean-fid {abs(clean_frechet(x, y) / exact - 1):.1e}",
            )
        )  # fmt: skip
        noisy = x + 0.01 * x.std() * np.random.default_rng(3).standard_normal(x.shape)
        exact = reference(x, noisy)
        rows.append(
            row(
                f"1 % noise against 80 bits, N = {count}, d = {dimension}",
                abs(frechet_distance(x, noisy) / exact - 1), "relative", 1e-6,
                f"distance {exact:.3g}; clean-fid {abs(clean_frechet(x, noisy) / exact - 1):.1e}",
            )
        )  # fmt: skip
    for count in (COUNT, 6528):
        x = features(count, 1)
        rows.append(row(f"identical sets, N = {count}", abs(frechet_distance(x, x.copy())), "absolute", 1e-9))
    return rows


def clean_frechet(x: NDArray[Any], y: NDArray[Any]) -> float:
    """clean-fid's own function; NaN where SciPy is too new for it."""
    try:
        with redirect_stdout(io.StringIO()):
            return float(cleanfid.fid_from_feats(x, y))
    except TypeError:
        return float("nan")


def speed_of_frechet() -> list[dict[str, Any]]:
    rows = []
    for count, limit in ((COUNT, 100), (1798, 10), (6528, 5)):
        x, y = features(count, 1), features(count, 2, shift=0.02)
        frechet_distance(x, y)  # the first call starts threads
        ours, _ = timed(lambda x=x, y=y: frechet_distance(x, y), repeats=5)
        theirs, _ = timed(lambda x=x, y=y: clean_frechet(x, y), repeats=2)
        rows.append(
            row(
                f"Fréchet distance alone, N = {count}, against clean-fid", theirs / ours, "times", limit,
                f"{ours:.3g} s against {theirs:.3g} s",
            )
        )  # fmt: skip
    return rows


def speed_of_neighbours() -> list[dict[str, Any]]:
    train, fake = Population(features(6528, 1)), Population(features(6528, 2, shift=0.02))
    seconds = {
        metric.needs: timed(lambda metric=metric: metric.compute(metric.reference(train, None), fake, CPU))[0]
        for metric in (KernelDistance("kid", "kid"), Manifold("manifold"))
    }
    return [
        row(
            "kid, precision, recall, density, coverage, authpct on cached features, N = 6528",
            sum(seconds.values()),
            "s",
            30,
            ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()),
        )
    ]


class Projected(FeatureSpace):
    """Runs the network on 64 images, for its memory, and makes the other features up, for their time."""

    version = 1
    dimension = DIMENSION

    def __init__(self) -> None:
        self.inception = random_space()

    def check(self) -> None:
        """Nothing is needed."""

    def identity(self) -> Mapping[str, str]:
        """A name of its own."""
        return {"network": "partly made up"}

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of the first 64 images, and random ones of the others."""
        rest = np.random.default_rng(len(images)).random((len(images) - 64, self.dimension))
        return np.concatenate([self.inception.extract(images[:64], device), rest])


def peak_memory() -> dict[str, float]:
    """Peak of this process above its loaded images, GiB, over all metrics on 6528 images a side."""
    rng = np.random.default_rng(0)
    train, fake = (rng.integers(0, 256, (6528, 1, 64, 64), dtype=np.uint8) for _ in range(2))
    space = "inception-random"
    metrics = {
        "fd": Frechet(space, "fd"), "kid": KernelDistance(space, "kid"), "manifold": Manifold(space),
        "swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scorer(metrics, {space: Projected()}, Population(train), None, CPU, Path(folder))
        before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        scorer.score(fake)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"above_gib": (peak - before) / 2**30, "images_gib": 2 * train.nbytes / 2**30}


def memory() -> list[dict[str, Any]]:
    # A process of its own: the peak of this one is that of everything it did before.
    output = subprocess.run(
        [sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True
    )
    found = json.loads(output.stdout.splitlines()[-1])
    return [
        row("peak memory of all metrics above the loaded images, N = 6528", found["above_gib"], "GiB", 1.5)
    ]


def whole_scoring(side: int, folder: Path) -> list[dict[str, Any]]:
    """Folders of PNG files in, one distance out."""
    real, fake = folder / f"real-{side}", folder / f"fake-{side}"
    write_images(real, fake, side, folder / "images")
    weights = folder / "weights.pth"
    trunk = random_space().trunk()
    classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save({**trunk.state_dict(), **classifier}, weights)
    # As clean-fid loads it: TorchScript, batch normalisation as it is.
    script = torch.jit.trace(trunk, torch.zeros(1, 3, 299, 299))

    def network(batch: torch.Tensor) -> torch.Tensor:
        return script((batch - 128) / 128)

    def by_clean_fid() -> float:
        sides = [
            cleanfid.get_folder_features(str(path), network, num_workers=2, device=CPU, verbose=False)
            for path in (real, fake)
        ]
        if np.isnan(distance := clean_frechet(*sides)):
            return frechet_distance(*(side.astype(np.float64) for side in sides))
        return distance

    def by_torch_fidelity() -> float:
        return torch_fidelity.calculate_metrics(
            input1=str(fake), input2=str(real), fid=True, feature_extractor_weights_path=str(weights),
            cuda=False, cache=False, verbose=False,
        )["frechet_inception_distance"]  # fmt: skip

    def by_us(resize: str = "clean-fid") -> float:
        train = Population(load_images(real))
        space = Inception(Weights(folder, online=False), trained=False, resize=resize)
        metrics = {"fd": Frechet("space", "fd")}
        scorer = Scorer(metrics, {"space": space}, train, None, CPU, folder / f"features-{side}-{resize}")
        return scorer.score(load_images(fake))["fd"]

    network(torch.zeros(8, 3, 299, 299))  # what TorchScript compiles once
    network(torch.zeros(8, 3, 299, 299))
    cold, ours = timed(by_us)
    clean, clean_distance = timed(by_clean_fid)
    cached, again = timed(by_us)
    fidelity, fidelity_distance = timed(by_torch_fidelity)
    assert ours == again
    what = f"{COUNT} against {COUNT} images of {side} px"
    return [
        row(
            f"distance of {what}, against clean-fid",
            abs(ours / clean_distance - 1),
            "relative",
            5e-5,
            f"{ours:.6f} and {clean_distance:.6f}",
        ),
        row(
            f"distance of {what}, torch-fidelity's resize, against torch-fidelity",
            abs(by_us("tensorflow") / fidelity_distance - 1),
            "relative",
            5e-5,
            f"{fidelity_distance:.6f}",
        ),
        row(
            f"whole scoring of {what}, against clean-fid",
            clean / cold,
            "times",
            2.2,
            f"{cold:.1f} s against {clean:.1f} s",
        ),
        row(
            "the same, real features cached, against clean-fid", clean / cached, "times", 4, f"{cached:.1f} s"
        ),
        row(
            f"whole scoring of {what}, against torch-fidelity",
            fidelity / cold,
            "times",
            None,
            f"{fidelity:.1f} s",
        ),
    ]


def random_space() -> Inception:
    """The Inception network with random weights, the same for everybody here."""
    return Inception(Weights(Path(), online=False), trained=False)


def write_images(real: Path, fake: Path, side: int, cache: Path) -> None:
    """Phantoms as real images, and blurred noisy phantoms of other patients as generated ones, in PNG."""
    dataset = make_dataset("phantom", {"images": 2 * COUNT}, None)
    images = np.asarray(prepare(dataset, "phantom", [side], cache)[side].images)
    rng = np.random.default_rng(0)
    blurred = gaussian_filter(images[COUNT:].astype(float), (0, 0, side / 64, side / 64))
    worse = (blurred + rng.normal(0, 4, blurred.shape)).clip(0, 255).astype(np.uint8)
    for folder, stack in ((real, images[:COUNT]), (fake, worse)):
        for number, image in enumerate(stack):
            save_png(folder / f"{number:04d}.png", image)


def as_markdown(rows: list[dict[str, Any]], load: list[float]) -> str:
    device = describe(CPU)
    lines = [
        "# Scoring, measured", "",
        "Made by `python benchmarks/scoring.py`. The same files and the same random weights on all sides, "
        f"one process, {device['cpu']}, {device['threads']} threads; "
        + ", ".join(f"{name} {version}" for name, version in versions().items()) + ".", "",
        f"Load at the start, after 64 px and after 256 px: {', '.join(f'{value:.1f}' for value in load)}. "
        f"This benchmark alone makes about {device['threads']} while it runs; with more, others shared the "
        "machine and times are uncertain.", "",
        "| what | measured | wanted | reached | |", "|---|---:|---:|---|---|",
    ]  # fmt: skip
    for entry in rows:
        sign = "≥" if entry["unit"] == "times" else "≤"
        wanted = f"{sign} {entry['limit']:g}" if entry["limit"] is not None else ""
        reached = {True: "yes", False: "**no**", None: ""}[entry["reached"]]
        value = (
            f"{entry['value']:.2e}" if entry["unit"] in ("relative", "absolute") else f"{entry['value']:.3g}"
        )
        lines.append(
            f"| {entry['what']} | {value} {entry['unit']} | {wanted} | {reached} | {entry['note']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
