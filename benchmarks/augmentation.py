"""What a perfect imitator of augmented images would score: real images once through the augmentation.

    python benchmarks/augmentation.py --data-root COVID-CT [--dataset covid-ct] [--res 64]

Every row scores the training images, changed, against the very same images unchanged. A model that is trained
on changed images can't do better, however good it is, unless by failing to imitate them. The rows with a
black border are what the augmentation was before its edge was repeated. Regenerates ``augmentation.json`` and
``augmentation.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import _report
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from harness.cell.protocol import Protocol
from harness.data.image_set import ImageSet
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset
from harness.scoring.metrics.patches import sliced_wasserstein
from harness.training.augmentation import augmented_once

Images = NDArray[np.uint8]

REACHES = (1 / 8, 1 / 16, 1 / 32, 1 / 64)
HALVES = 10


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--dataset", default="covid-ct")
    parser.add_argument("--res", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        dataset = make_dataset(options.dataset, {}, options.data_root)
        images = prepare(dataset, options.dataset, [options.res], Path(cache))[options.res]
        report(options, images)


def report(options: object, images: ImageSet) -> None:
    real = np.asarray(images.images)
    side = real.shape[-1]
    rows = [("flip", "", sliced_wasserstein(real, augmented_once(real, ["flip"], 0.0)))]
    for name, fill in (("black", black_shift), ("edge", edge_shift)):
        for reach in REACHES:
            pixels = max(1, round(side * reach))
            rows.append((f"shift, {name}", f"{pixels}", sliced_wasserstein(real, fill(real, reach))))
    for reach in (1 / 8, Protocol().shift_reach):
        before = reach == 1 / 8
        flipped = augmented_once(real, ["flip"], 0.0)
        both = black_shift(flipped, reach) if before else augmented_once(real, ["flip", "shift"], reach)
        label = "flip and shift, black (protocol 1)" if before else "flip and shift, edge (default)"
        rows.append((label, f"{max(1, round(side * reach))}", sliced_wasserstein(real, both)))
    low, high = halves(images)
    text = f"""# What the plain augmentations cost

{options.dataset} at {side} px, {len(real)} images, each once through the augmentation, against the same
images unchanged: `swd`, 0 is equal. Halves of the patients, which differ by who is in them alone, are
{low:.1f} to {high:.1f} apart ({HALVES} draws).

{_report.table(["augmentation", "pixels", "swd"], [(n, p, f"{v:.1f}") for n, p, v in rows])}

{_report.machine_words()}
"""
    numbers = {
        "dataset": options.dataset,
        "resolution": side,
        "images": len(real),
        "halves": [low, high],
        "rows": [{"augmentation": n, "pixels": p, "swd": v} for n, p, v in rows],
    }
    _report.publish("augmentation", numbers, text)


def edge_shift(images: Images, reach: float) -> Images:
    return augmented_once(images, ["shift"], reach)


def black_shift(images: Images, reach: float) -> Images:
    """The same law of shifts, with black where ``augmented_once`` repeats the edge."""
    longest = max(1, round(images.shape[-1] * reach))
    drawn = np.random.default_rng(0).integers(-longest, longest + 1, (len(images), 2))
    padded = F.pad(torch.from_numpy(np.array(images)), (longest,) * 4).numpy()
    height, width = images.shape[2:]
    moved = [
        image[:, longest - down : longest - down + height, longest - right : longest - right + width]
        for image, (down, right) in zip(padded, drawn, strict=True)
    ]
    return np.stack(moved)


def halves(images: ImageSet) -> tuple[float, float]:
    """The least and the most of the distances between random halves of the patients."""
    patients = np.unique(images.patients)
    found = []
    for draw in range(HALVES):
        first = np.random.default_rng(draw).permutation(patients)[: len(patients) // 2]
        chosen = np.isin(images.patients, first)
        real = np.asarray(images.images)
        found.append(sliced_wasserstein(real[chosen], real[~chosen]))
    return min(found), max(found)


if __name__ == "__main__":
    main()
