"""Golden values of radiomic features and FRD, by the packages that define them.

    tox -e radiomics

computes both sides anew and compares them with each other and with what is kept. The packages are frd-score
and pyradiomics-bhklab; the second is built from source and wants a C compiler. With ``--write`` the script

    python benchmarks/radiomics_golden.py --write

replaces ``tests/harness/radiomics/golden.npz``: ten phantom slices, seven images of noise of different kinds
and three that are nearly or wholly empty, all of 64 x 64 pixels, with their features and four values of FRD;
and with their features alone, phantoms and noise of odd heights, of odd widths, of both, and in colours.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import _pyradiomics
import numpy as np
import torch
from numpy.typing import NDArray

from harness.api import Population
from harness.data.prepare import prepare
from harness.files import atomic_write
from harness.running.datasets import make_dataset
from harness.scoring.metrics.log_frechet import LogFrechet
from harness.scoring.selection import make_metrics
from harness.scoring.spaces.radiomics.resample import SCALE
from harness.scoring.spaces.radiomics.space import NAMES, radiomic_features
from harness.scoring.weights import Weights

GOLDEN = Path(__file__).parents[1] / "tests" / "harness" / "radiomics" / "golden.npz"
SIDE = 64
RELATIVE, FRD = 1e-5, 1e-4
"""How far our features, and our FRD, may be from theirs."""
ROUNDING = 1e-14
"""Of the largest value of a feature: where it is 0 by symmetry, both sides have rounding left."""
PAIRS = {
    "phantom, phantom": (slice(0, 6), slice(6, 10)),
    "phantom, noise": (slice(0, 10), slice(10, 17)),
    "noise, phantom": (slice(10, 17), slice(0, 10)),
    "all, half": (slice(0, 19), slice(0, 19, 2)),
}
"""Which of the images are compared by FRD: real ones, generated ones."""
CPU = torch.device("cpu")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="replace the golden values instead of comparing")
    arguments = parser.parse_args()
    images = made_images()
    theirs = by_pyradiomics(images)
    others = {name: (other, _pyradiomics.features(other)) for name, other in other_images(images).items()}
    distances = {name: _pyradiomics.distance(images[a], images[b]) for name, (a, b) in PAIRS.items()}
    if arguments.write:
        write(images, theirs, distances, others)
    return compare(images, theirs, distances) | compare_others(others)


def made_images() -> NDArray[np.uint8]:
    """uint8 (20, 1, 64, 64): phantoms, noise, a single bright pixel, two grey levels, and nothing at all."""
    rng = np.random.default_rng(0)
    shape = (SIDE, SIDE)
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE))
    centre = np.hypot(*(np.indices(shape) - SIDE / 2))
    noise = [
        rng.integers(0, 256, shape),
        rng.normal(128, 40, shape),
        rng.poisson(3, shape) * 20,
        rng.integers(0, 2, shape) * 255,
        np.kron(rng.integers(0, 256, (8, 8)), np.ones((8, 8))),
        ramp + rng.normal(0, 8, shape),
        np.where(centre < 20, rng.normal(150, 25, shape), 0),
    ]
    dot, halves = np.zeros(shape), np.zeros(shape)
    dot[20, 41] = 255
    halves[:, SIDE // 2 :] = 90
    with tempfile.TemporaryDirectory() as cache:
        dataset = make_dataset("phantom", {"images": 10}, None)
        phantoms = np.array(prepare(dataset, "phantom", [SIDE], Path(cache))[SIDE].images)
    others = np.stack([*noise, dot, halves, np.zeros(shape)]).clip(0, 255).astype(np.uint8)
    return np.concatenate([phantoms, others[:, None]])


def other_images(images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Cuts of phantoms and noise with sides that are not even, and two tinted ones beside coloured noise."""
    some = images[[0, 4, 10, 16]]
    tint = np.array([0.9, 0.5, 0.2])[:, None, None]
    coloured = (some[:2] * tint).round().astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (1, 3, SIDE, SIDE), np.uint8)
    return {
        "odd_height": some[:, :, 3:40, 8:56],
        "odd_width": some[:, :, 4:40, 8:57],
        "odd_both": some[:, :, 3:40, 8:57],
        "colour": np.concatenate([coloured, noise]),
        "odd_colour": np.concatenate([coloured, noise])[:, :, 5:38, 2:49],
    }


def by_pyradiomics(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Their features; the last image is empty, and taken as if it were normalised to 0."""
    return np.concatenate(
        [_pyradiomics.features(images[:-1]), _pyradiomics.features(images[-1:], normalise=False)]
    )


def compare(images: NDArray[np.uint8], theirs: NDArray[np.float64], distances: dict[str, float]) -> int:
    """Print how far both sides are apart; 1 where that is more than it may be."""
    metrics, spaces = make_metrics(["frd"], Weights(Path(), online=False))
    ours = spaces["radiomics"].extract(images, CPU)
    apart = relative(ours, theirs)
    worst = np.unravel_index(apart.argmax(), apart.shape)
    print(f"{ours.size} features: at most {apart.max():.1e} apart, {NAMES[worst[1]]} of image {worst[0]}")
    failed = int(apart.max() > RELATIVE)
    for name, (real, generated) in PAIRS.items():
        mine = frd(metrics["frd"], ours[real], ours[generated])
        print(f"FRD of {name}: {mine:.6f}, frd-score {distances[name]:.6f}")
        failed |= int(abs(mine - distances[name]) > FRD)
    with np.load(GOLDEN, allow_pickle=False) as kept:
        same = np.array_equal(kept["images"], images)
        moved = relative(kept["features"], theirs)
    print(f"kept: images {'the same' if same else 'OTHERS'}, features at most {moved.max():.1e} apart")
    return failed | int(not same or moved.max() > RELATIVE)


def compare_others(others: dict[str, tuple[NDArray[np.uint8], NDArray[np.float64]]]) -> int:
    """The same for images of other kinds."""
    failed = 0
    with np.load(GOLDEN, allow_pickle=False) as kept:
        for name, (images, theirs) in others.items():
            apart = relative(radiomic_features(images), theirs).max()
            same = np.array_equal(kept[f"images_{name}"], images)
            moved = relative(kept[f"features_{name}"], theirs).max()
            print(f"{name}: at most {apart:.1e} apart; kept: {'the same' if same else 'OTHERS'}, {moved:.1e}")
            failed |= int(max(apart, moved) > RELATIVE or not same)
    return failed


def relative(some: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences in units of their value, as far as they are more than rounding."""
    difference = np.abs(some - theirs)
    size = np.abs(theirs)
    # Means of high frequencies are nothing but rounding, of pixels whose deviation is SCALE.
    difference[difference <= ROUNDING * np.maximum(size.max(axis=0), SCALE)] = 0
    return np.where(difference == 0, 0.0, difference / np.where(size == 0, 1.0, size))


def frd(metric: Any, real: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    """Our FRD of two sets of features."""
    assert isinstance(metric, LogFrechet)
    return metric.compute(metric.reference(Population(real), None), Population(generated), CPU)["frd"]


def write(
    images: NDArray[np.uint8],
    theirs: NDArray[np.float64],
    distances: dict[str, float],
    others: dict[str, tuple[NDArray[np.uint8], NDArray[np.float64]]],
) -> None:
    """Keep numbers alone: no pickle, and a text that says who computed them."""
    about = {
        "made_by": "python benchmarks/radiomics_golden.py --write",
        "packages": _pyradiomics.packages(),
        "names": NAMES,
        "distances": {
            name: {"real": _bounds(real), "generated": _bounds(generated), "frd": distances[name]}
            for name, (real, generated) in PAIRS.items()
        },
    }
    buffer = io.BytesIO()
    arrays = {f"images_{name}": other for name, (other, _) in others.items()}
    arrays |= {f"features_{name}": features for name, (_, features) in others.items()}
    np.savez_compressed(buffer, images=images, features=theirs, about=json.dumps(about), **arrays)
    with atomic_write(GOLDEN) as file:
        file.write(buffer.getvalue())


def _bounds(part: slice) -> list[int | None]:
    return [part.start, part.stop, part.step]


if __name__ == "__main__":
    sys.exit(main())
