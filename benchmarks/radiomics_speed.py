"""Radiomic features in images a second on one core, beside pyradiomics; and seconds for one FRD.

    python benchmarks/radiomics_speed.py

regenerates ``benchmarks/results/radiomics.md`` and ``radiomics.json`` in a minute. It needs frd-score and
pyradiomics-bhklab: ``tox exec -e radiomics -- python benchmarks/radiomics_speed.py`` has both. The two sides
take turns on the same images. Nothing else should run meanwhile.

A file called ``radiomics.py`` would hide pyradiomics, which is imported by that name.
"""

from __future__ import annotations

import os

# One core for both sides: before any library asks how many there are.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _pyradiomics
import _report
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harness.api import Population
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset
from harness.scoring.scorer import Scorer
from harness.scoring.selection import make_metrics
from harness.scoring.spaces.radiomics.space import radiomic_features
from harness.scoring.weights import Weights

CPU = torch.device("cpu")
COUNT, SIDE = 397, 64
WANTED = 10.0
REPEATS = 3
SHARE = {64: 12, 128: 6, 256: 3}
"""Images that pyradiomics is timed on; ours are eight times as many."""
Images = NDArray[np.uint8]


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for side, count in SHARE.items():
        noise = np.random.default_rng(0).integers(0, 256, (8 * count, 1, side, side), np.uint8)
        for what, images in (("phantom", phantoms(8 * count, side)), ("noise", noise)):
            rows.append(side_by_side(f"{what}, {side} px", images, count))
            print(rows[-1], flush=True)
    torch.set_num_threads(2)
    whole = one_frd()
    seen = what_it_sees()
    numbers = {"features": rows, "frd": whole, "seen": seen}
    _report.publish("radiomics", numbers, page(rows, whole, seen), out=arguments.out)


def phantoms(count: int, side: int) -> Images:
    """Slices of the phantom, uint8 (count, 1, side, side)."""
    with tempfile.TemporaryDirectory() as cache:
        dataset = make_dataset("phantom", {"images": count}, None)
        return np.array(prepare(dataset, "phantom", [side], Path(cache))[side].images)[:count]


def side_by_side(what: str, images: Images, count: int) -> dict[str, Any]:
    """Images a second of both, in processor time of one core; medians of turns."""
    # The first call of each loads libraries.
    radiomic_features(images[:2])
    _pyradiomics.features(images[:1])
    ours, theirs = [], []
    for _ in range(REPEATS):
        theirs.append(count / processor_seconds(lambda: _pyradiomics.features(images[:count])))
        ours.append(len(images) / processor_seconds(lambda: radiomic_features(images)))
    mine, other = statistics.median(ours), statistics.median(theirs)
    return {"images": what, "ours": mine, "pyradiomics": other, "times": mine / other}


def processor_seconds(function: Callable[[], Any]) -> float:
    """Processor time that a call takes."""
    start = time.process_time()
    function()
    return time.process_time() - start


def one_frd() -> dict[str, float]:
    """Seconds of FRD of 397 against 397 images: the first, one more with the real side kept, a report."""
    images = phantoms(2 * COUNT, SIDE)
    real, sharp = images[:COUNT], images[COUNT:].astype(float)
    made = gaussian_filter(sharp, (0, 0, 0.7, 0.7)).astype(np.uint8)
    metrics, spaces = make_metrics(["frd"], Weights(Path(), online=False))
    scorer = Scorer(metrics, spaces, Population(real), None, CPU, None)
    result = {}
    for name, call in (("first", scorer.score), ("again", scorer.score), ("report", scorer.report)):
        start = time.perf_counter()
        scores = call(made)
        result[name] = time.perf_counter() - start
    result["frd"] = scores.scores["frd"]
    return result


def what_it_sees() -> dict[str, float]:
    """FRD of images to the same images changed in one way, and to other patients' for comparison."""
    images = phantoms(240, SIDE)
    real, others = images[:120], images[120:]
    spotted = real.copy()
    spotted[:, :, 30:34, 20:24] = 200
    noise = np.random.default_rng(0).normal(0, 4, real.shape)
    changed = {
        "other patients": others,
        "mirrored, left to right": real[..., ::-1],
        "half of the contrast": (real * 0.5 + 40).round(),
        "a bright spot of 4 x 4 pixels in each": spotted,
        "noise of 4 grey levels": real + noise,
        "blur of one pixel": gaussian_filter(real.astype(float), (0, 0, 1, 1)),
    }
    metric = make_metrics(["frd"], Weights(Path(), online=False))[0]["frd"]
    reference = metric.reference(Population(radiomic_features(real)), None)
    result = {}
    for what, values in changed.items():
        features = radiomic_features(np.clip(values, 0, 255).astype(np.uint8))
        result[what] = metric.compute(reference, Population(features), CPU)["frd"]
    return result


def page(rows: list[dict[str, Any]], whole: dict[str, float], seen: dict[str, float]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in _pyradiomics.packages().items())
    slowest = min(row["times"] for row in rows)
    lines = [
        "# Radiomic features, measured", "",
        "Made by `python benchmarks/radiomics_speed.py`. The same images on both sides, processor time of "
        f"one core, medians of {REPEATS} turns; pyradiomics' include a PNG file for each image. "
        f"{_report.machine_words()} {packages}.", "",
        _report.table(
            ["images", "ours, images/s", "pyradiomics, images/s", "times as fast"],
            [
                (row["images"], f"{row['ours']:.0f}", f"{row['pyradiomics']:.1f}", f"{row['times']:.0f}")
                for row in rows
            ],
        ),
        "", f"Wanted: {WANTED:g} times. The least is {slowest:.0f}.", "",
        f"FRD of {COUNT} against {COUNT} images of {SIDE} px, two cores (features take one): "
        f"{whole['first']:.1f} s; with the real side kept {whole['again']:.1f} s; "
        f"a report with all that helps to read it {whole['report']:.1f} s.", "",
        "What it sees: 120 phantom slices of 64 px against themselves, changed in one way.", "",
        _report.table(["against", "FRD"], [(what, f"{value:.1f}") for what, value in seen.items()]), "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
