"""Whether ``utility`` tells generators of known merit apart, on the phantom.

    python benchmarks/utility.py [--res 64] [--images 512] [--seeds 3]

regenerates ``benchmarks/results/utility.md`` and its JSON: about 8 minutes of one quiet core. The
generators learn nothing: their merit is known.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import _report
import numpy as np
import torch
from harness_datasets.phantom import Phantom, PhantomConfig
from numpy.typing import NDArray

from harness.api import Population
from harness.data import resize
from harness.scoring.metrics.manifold import Manifold
from harness.scoring.metrics.utility import Utility
from harness.scoring.scorer import Scorer
from harness.scoring.spaces.radiomics.space import Radiomics

STRUCTURES = {"body": (1, 2), "lesion": (2,)}


class Made(NamedTuple):
    """What a planted generator makes."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def people(seed: int, count: int, side: int) -> dict[str, Population]:
    """The phantom's images with what they show, by split; another seed, other people."""
    phantom = Phantom(None, PhantomConfig(images=count, seed=seed, size=256))
    pieces = list(phantom.slices())
    images = np.stack([resize.resized(piece.pixels, [side]) for piece in pieces])
    labels = np.stack([resize.labels(piece.labels, [0, 1, 2], side)[None] for piece in pieces])
    patients = np.array([piece.patient for piece in pieces])
    splits = np.array([piece.split for piece in pieces])
    return {
        split: Population(images[own], patients[own], None, labels[own], STRUCTURES)
        for split in ("train", "test")
        if (own := splits == split).any()
    }


def planted(train: Population, side: int, count: int) -> dict[str, Made]:
    """Generators by what they do."""
    assert train.labels is not None
    random = np.random.default_rng(0)
    new = people(1, count, side)["train"]
    assert new.labels is not None
    noise = random.integers(0, 256, train.values.shape, dtype=np.uint8)
    return {
        "copies of all training pairs": Made(train.values, train.labels),
        "pairs of new people": Made(new.values, new.labels),
        "right images, labels shifted by an eighth": Made(
            train.values, np.roll(train.labels, side // 8, axis=3)
        ),
        "noise, labels of noise": Made(noise, random.integers(0, 3, train.labels.shape, dtype=np.uint8)),
    }


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--res", type=int, default=64)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network")
    chosen = parser.parse_args()
    sides = people(0, chosen.images, chosen.res)
    metrics: dict[str, Any] = {
        "utility": Utility(seeds=chosen.seeds), "manifold": Manifold("radiomics", "_radiomics")
    }  # fmt: skip
    spaces = {"radiomics": Radiomics(None)}
    scorer = Scorer(metrics, spaces, sides["train"], sides["test"], torch.device("cpu"), None)
    found = {}
    for name, made in planted(sides["train"], chosen.res, chosen.images).items():
        started = time.process_time()
        report = scorer.report(made.images, labels=made.labels)
        found[name] = {
            "scores": report.scores, "context": report.context, "caveats": report.caveats,
            "seconds": time.process_time() - started,
        }  # fmt: skip
        print(name, report.scores, flush=True)
    numbers = {"settings": vars(chosen), "found": found}
    _report.publish("utility", numbers, page(vars(chosen), found))


def page(settings: dict[str, int], found: dict[str, Any]) -> str:
    """The results as Markdown."""
    rows = []
    for name, one in found.items():
        scores, context = one["scores"], one["context"]
        rows.append(
            [
                name,
                *(f"{scores[f'utility/{part}']:.3f}" for part in STRUCTURES),
                f"{scores['utility_hd95']:.1f}",
                f"{scores['utility_gap']:.3f} ± {context['utility_gap_se']:.3f}",
                "yes" if any("copying" in caveat for caveat in one["caveats"]) else "no",
                f"{one['seconds']:.0f}",
            ]
        )
    first = next(iter(found.values()))["context"]
    real = " and ".join(f"{first[f'utility_real/{part}']:.3f} ({part})" for part in STRUCTURES)
    options = " ".join(f"--{name} {value}" for name, value in settings.items())
    heads = [
        "generator", "Dice, body", "Dice, lesion", "HD95, px", "gap ± error",
        "possible copying", "CPU seconds",
    ]  # fmt: skip
    lines = [
        "# What is learnt from generators of known merit",
        "",
        f"`python benchmarks/utility.py {options}`: the default recipe on the phantom,",
        f"{settings['seeds']} training(s) of each network.",
        f"Networks that learnt from real images reach a Dice of {real} on the test patients.",
        "Errors are standard errors over patients. The first row trains on real ones too.",
        "",
        _report.table(heads, rows),
        "",
        _report.machine_words(),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
