"""How far the best of many looks flatters: a generator that never changes, scored again and again.

    python benchmarks/selection.py [--looks 40] [--repeats 5] [--count 397] [--res 64]

The generator is the phantom itself, which makes new patients for every seed; real images are the phantom of
seed 0. Nothing is learnt between two looks, so the lowest of them is luck and nothing else.
"""

from __future__ import annotations

import _report
import numpy as np
import torch
from harness_datasets.phantom import Phantom, PhantomConfig
from numpy.typing import NDArray

from harness.api import Metric, Population
from harness.data import resize
from harness.scoring.metrics.patches import SlicedWasserstein
from harness.scoring.metrics.structure import PairwiseMSSSIM

CPU = torch.device("cpu")


def images(seed: int, count: int, resolution: int) -> Population:
    """Images of new patients, uint8 (count, 1, resolution, resolution)."""
    phantom = Phantom(None, PhantomConfig(images=count, seed=seed, size=resolution))
    pieces = list(phantom.slices())
    pixels: NDArray[np.uint8] = np.stack([resize.resized(piece.pixels, [resolution]) for piece in pieces])
    return Population(pixels, np.array([piece.patient for piece in pieces]))


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--looks", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", type=int, default=397)
    parser.add_argument("--res", type=int, default=64)
    chosen = parser.parse_args()
    real = images(0, chosen.count, chosen.res)
    metrics: dict[str, Metric] = {"swd": SlicedWasserstein(), "ms_ssim_gap": PairwiseMSSSIM()}
    references = {name: metric.reference(real, None) for name, metric in metrics.items()}
    seen: dict[str, list[float]] = {name: [] for name in metrics}
    for seed in range(1, chosen.looks * chosen.repeats + 1):
        made = Population(images(seed, chosen.count, chosen.res).values)
        for name, metric in metrics.items():
            seen[name].append(metric.compute(references[name], made, CPU)[name])
    rows = []
    for name, values in seen.items():
        trainings = np.array(values).reshape(chosen.repeats, chosen.looks)
        mean, lowest = trainings.mean(), trainings.min(axis=1)
        rows.append(
            [
                name,
                f"{mean:.4g}",
                f"{trainings.std(ddof=1):.2g}",
                f"{lowest.mean():.4g}",
                f"{100 * (lowest.mean() / mean - 1):+.0f} %",
                f"{100 * (lowest.min() / mean - 1):+.0f} to {100 * (lowest.max() / mean - 1):+.0f} %",
            ]
        )
    heads = ["score", "mean of all looks", "deviation", f"lowest of {chosen.looks}", "difference", "from, to"]
    command = f"python benchmarks/selection.py --looks {chosen.looks} --repeats {chosen.repeats}"
    text = "\n".join(
        [
            "# The best of many looks",
            "",
            f"`{command}`: a generator that never changes,",
            f"scored {chosen.looks} times on {chosen.count} new samples at {chosen.res} px,",
            f"{chosen.repeats} times over. The lowest look is luck alone; a training that reports its best",
            "evaluation reports this too.",
            "",
            _report.table(heads, rows),
            "",
            _report.machine_words(),
            "",
        ]
    )
    _report.publish("selection", {"looks": chosen.looks, "scores": seen}, text)


if __name__ == "__main__":
    main()
