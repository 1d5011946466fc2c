"""What an evaluation during training costs: the real side kept, beside everything computed anew each time.

    python benchmarks/evaluation.py --data-root DIR

regenerates ``benchmarks/results/evaluation.md`` and ``evaluation.json`` within a few minutes on two cores.
DIR holds COVID-CT (``bench show dataset covid-ct``); without it slices of the phantom are scored. The ways
take turns in one process, and must agree to the last digit. Nothing else should run meanwhile.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _report
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from harness.api import Population
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset
from harness.scoring.metrics.patches import SlicedWasserstein, _all_patches
from harness.scoring.metrics.structure import _C1, _C2, _SCALES, PairwiseMSSSIM, _gaussian_filter, draw_pairs
from harness.scoring.scorer import Scorer
from harness.scoring.stored import canonical_order

CPU = torch.device("cpu")
COUNT, SIDE = 397, 64
WANTED = 3.0
Images = NDArray[np.uint8]


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--data-root", type=Path, help="folder of COVID-CT; the phantom without it")
    parser.add_argument("--repeats", type=int, default=7, help="times that each way is taken")
    parser.add_argument("--out", type=Path, default=_report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as cache:
        name, real = real_images(arguments.data_root, Path(cache))
    made = degraded(real)
    found = measure(real, made, arguments.repeats)
    _report.publish("evaluation", {"images": name, "ways": found}, page(name, found), out=arguments.out)


def real_images(root: Path | None, cache: Path) -> tuple[str, Images]:
    """397 images of 64 px, as a model with three channels is scored against them."""
    name, options = ("phantom", {"images": COUNT}) if root is None else ("covid-ct", {})
    dataset = make_dataset(name, options, root)
    images = np.array(prepare(dataset, name, [SIDE], cache)[SIDE].images)[:COUNT]
    return name, np.broadcast_to(images, (len(images), 3, SIDE, SIDE))


def degraded(real: Images) -> Images:
    """What a passable model would make: the images blurred, with some noise, in grey."""
    rng = np.random.default_rng(0)
    grey = gaussian_filter(real[:, :1].astype(float), (0, 0, 1, 1)) + rng.normal(
        0, 4, (len(real), 1, SIDE, SIDE)
    )
    return np.repeat(grey.clip(0, 255).astype(np.uint8), 3, axis=1)


def measure(real: Images, made: Images, repeats: int) -> dict[str, dict[str, Any]]:
    """Wall and processor seconds of each way, and the scores that it gave."""
    metrics = {"swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    kept = Scorer(metrics, {}, Population(real), None, CPU, None)
    kept.score(made)  # the first evaluation computes what is kept
    ways: dict[str, Callable[[], dict[str, float]]] = {
        "everything anew": lambda: anew(real, made),
        "our code, nothing kept": lambda: Scorer(metrics, {}, Population(real), None, CPU, None).score(made),
        "real side kept": lambda: kept.score(made),
        "real side kept, only the metric that selects": lambda: kept.score(made, only=["swd"]),
    }
    found: dict[str, dict[str, Any]] = {name: {"wall": [], "cpu": []} for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            scores = way()
            found[name]["wall"].append(time.perf_counter() - wall)
            found[name]["cpu"].append(time.process_time() - cpu)
            found[name]["scores"] = scores
    expected = found["everything anew"]["scores"]
    for name, way in found.items():
        for score in expected.keys() & way["scores"].keys():
            assert way["scores"][score] == expected[score], (name, way["scores"], expected)
    return found


def anew(real: Images, made: Images) -> dict[str, float]:
    """An evaluation that keeps nothing, written the straight way: both sides, one sort after the other."""
    sides = [_all_patches(images, 1, CPU) for images in (real, made)]
    levels = [distance(level, *pair) for level, pair in enumerate(zip(*sides, strict=True))]
    return {
        "swd": 1000 * float(np.mean(levels)),
        "ms_ssim": mean_similarity(made),
        "ms_ssim_real": mean_similarity(real),
    }


def distance(level: int, a: Tensor, b: Tensor) -> float:
    """Mean over 512 directions of the distance between two clouds of patches."""
    rng = np.random.default_rng(level)
    means = []
    for _ in range(8):
        directions = rng.standard_normal((a.shape[1], 64))
        axes = torch.from_numpy(directions / np.linalg.norm(directions, axis=0)).float()
        one, other = ((patches @ axes).T.contiguous().numpy() for patches in (a, b))
        one.sort(axis=1)
        other.sort(axis=1)
        means.append(float(np.abs(one - other).mean(dtype=np.float64)))
    return sum(means) / len(means)


def mean_similarity(images: Images) -> float:
    """MS-SSIM of 1000 pairs, 50 at a time, each with its own filters."""
    ordered = images[canonical_order(images), :1]
    return float(torch.cat(list(similarities(ordered))).mean())


def similarities(ordered: Images) -> Iterator[Tensor]:
    first, second = draw_pairs(len(ordered), 1000)
    for start in range(0, len(first), 50):
        part = slice(start, start + 50)
        yield similarity(*(torch.from_numpy(ordered[side[part]]).double() for side in (first, second)))


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM of each pair at the three scales that fit 64 px: Wang et al. 2003, Eq. 7."""
    weights = np.array(_SCALES[:3]) / sum(_SCALES[:3])
    result = torch.ones(len(a), 1, dtype=a.dtype)
    for scale, weight in enumerate(weights):
        rows, columns = (_gaussian_filter(side, a) for side in a.shape[2:])
        mean_a, mean_b, square_a, square_b, product = (
            rows @ x @ columns.T for x in (a, b, a * a, b * b, a * b)
        )
        variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
        covariance = product - mean_a * mean_b
        luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
        contrast = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
        term = luminance * contrast if scale == 2 else contrast
        result *= term.mean((2, 3)).clamp(min=0) ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result.mean(1)


def page(name: str, found: dict[str, dict[str, Any]]) -> str:
    medians = {
        way: {kind: statistics.median(of[kind]) for kind in ("wall", "cpu")} for way, of in found.items()
    }
    slow = medians["everything anew"]
    rows = [
        [
            way, f"{of['wall']:.2f} s", f"{of['cpu']:.2f} s", f"{slow['wall'] / of['wall']:.1f}",
            f"{slow['cpu'] / of['cpu']:.1f}", judged(way, slow["wall"] / of["wall"]),
        ]
        for way, of in medians.items()
    ]  # fmt: skip
    head = ["an evaluation", "time", "processor time", "times as fast", "by processor time", f"≥ {WANTED:g}"]
    return (
        "# An evaluation during training, measured\n\n"
        "Made by `python benchmarks/evaluation.py`" + (" --data-root DIR" if name != "phantom" else "") + ": "
        f"`swd,ms_ssim` of {COUNT} samples against {COUNT} images of {name} at {SIDE} px, 2 threads, "
        f"median of {len(found['everything anew']['wall'])} in turns. All ways give the same numbers to the "
        f"last digit. {_report.machine_words()}\n\n"
        "Where others shared the machine, times vary; processor time hardly does, but does not see that two "
        "cores work at once.\n\n" + _report.table(head, rows) + "\n"
    )


def judged(way: str, ratio: float) -> str:
    """Whether a way is as fast as wanted; only what a training does is judged."""
    return "" if "kept" not in way or "nothing" in way else "yes" if ratio >= WANTED else "**no**"


if __name__ == "__main__":
    main()
