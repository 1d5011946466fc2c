"""What the rules of protocol 2 add to a run: fresh samples, distances of real images, augmented real scores.

    python benchmarks/protocol_cost.py [--data-root DIR]

regenerates ``benchmarks/results/protocol_cost.md`` and ``protocol_cost.json`` in a few minutes on one core.
DIR holds COVID-CT; without it slices of the phantom are scored. Every part is taken alone, and a run is put
together from them: DCGAN, whose step is the shortest of all models, so that the share is the largest. Times
are of the processor, by one thread, which other work on the machine hardly changes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import _report
import numpy as np
import torch
from evaluation import COUNT, SIDE, real_images

from harness.api import Batch, Clock, ImageShape, Population
from harness.cell.protocol import Protocol
from harness.data.pixels import to_model_range
from harness.plugins import Registry
from harness.scoring.scorer import Scorer
from harness.scoring.selection import make_metrics
from harness.tasks.sampling import sample_images
from harness.training.augmentation import augmented_once, compose

METRICS = ("swd", "frd", "kid_radiomics", "manifold_radiomics", "ms_ssim")
PATIENT = 2  # images of each, so that there are patients to take halves of
ALLOWED = 0.05
#: Steps and looks: the length of table2, the shortest training that results are made of, and a look an epoch.
RUNS = {
    "24,000 steps, 40 looks": (24_000, 40),
    "2,000 steps, 10 looks": (2_000, 10),
    "2,000 steps, 1 look": (2_000, 1),
}


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--data-root", type=Path, help="folder of COVID-CT; the phantom without it")
    parser.add_argument("--repeats", type=int, default=5, help="times that each part is taken")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        name, real = real_images(chosen.data_root, Path(cache))
    parts = {what: median_of(part, chosen.repeats) for what, part in parts_of(real).items()}
    runs = {run: cost(parts, *length) for run, length in RUNS.items()}
    _report.publish("protocol_cost", {"images": name, "parts": parts, "runs": runs}, page(name, parts, runs))


def parts_of(real: np.ndarray) -> dict[str, Callable[[], object]]:
    """What a run consists of."""
    registry = Registry()
    cls = registry.load("models", "dcgan")
    torch.manual_seed(0)
    model = cls(ImageShape(3, SIDE, SIDE), cls.Config())
    reach = Protocol().shift_reach
    augment = compose(model.augmentations, reach)
    batch = to_model_range(torch.from_numpy(np.ascontiguousarray(real[:32])))
    metrics, spaces = make_metrics(METRICS, None)
    patients = np.array([f"p{number // PATIENT:03d}" for number in range(len(real))])
    scorer = Scorer(metrics, spaces, Population(real, patients), None, torch.device("cpu"), None)
    made = augmented_once(real, model.augmentations, reach)
    scorer.report(made)  # what is kept of the real side is computed once in either protocol

    def step() -> None:
        model.train_step(Batch(*augment(batch)), Clock(1, 0, 1))

    return {
        "a training step": step,
        "samples": lambda: sample_images(model.eval(), len(real)),
        "a look by all metrics": lambda: scorer.score(made),
        "a look by the metric that selects": lambda: scorer.score(made, only=METRICS[:1]),
        "scores of the best networks with all that is read beside them": lambda: scorer.report(made),
        "real images, augmented and scored": lambda: scorer.score(
            augmented_once(real, model.augmentations, reach)
        ),
    }


def median_of(part: Callable[[], object], repeats: int) -> float:
    """Processor seconds."""
    part()
    found = []
    for _ in range(repeats):
        started = time.process_time()
        part()
        found.append(time.process_time() - started)
    return statistics.median(found)


def cost(parts: dict[str, float], steps: int, looks: int) -> dict[str, float]:
    """Processor seconds of a run under either protocol.

    Protocol 1 scored every look by all metrics and reported the best of them, with distances of real halves;
    protocol 2 scores looks by one metric, and at the end new samples of the best and of the last networks.
    """
    step, samples, every, one, report, augmented = parts.values()
    training = steps * step
    before = training + looks * (samples + every) + samples + report
    after = training + looks * (samples + one) + 2 * samples + every + report + augmented
    bare = training + looks * (samples + one) + samples + every
    return {"protocol 1": before, "protocol 2": after, "one report, nothing beside it": bare}


def page(name: str, parts: dict[str, float], runs: dict[str, dict[str, float]]) -> str:
    rows = []
    for run, of in runs.items():
        added = of["protocol 2"] / of["one report, nothing beside it"] - 1
        than_before = of["protocol 2"] / of["protocol 1"] - 1
        rows.append(
            [
                run,
                f"{of['protocol 2']:.0f} s",
                f"{than_before:+.1%}",
                f"{added:+.1%}",
                "yes" if added <= ALLOWED else "**no**",
            ]
        )
    head = [
        "a run of DCGAN",
        "protocol 2",
        "than protocol 1",
        "than a run that scores once",
        f"≤ {ALLOWED:.0%}",
    ]
    listed = [[what, f"{seconds:.3f} s"] for what, seconds in parts.items()]
    command = "python benchmarks/protocol_cost.py" + (" --data-root DIR" if name != "phantom" else "")
    return "\n".join(
        [
            "# What protocol 2 adds to a run",
            "",
            f"Made by `{command}`: {COUNT} images of {name} at {SIDE} px,",
            f"batches of 32, `{','.join(METRICS)}`, processor time of one thread.",
            _report.machine_words(),
            "",
            _report.table(["part", "processor time"], listed),
            "",
            "Put together from these:",
            "",
            _report.table(head, rows),
            "",
            "A run that scores once generates one sample of the best networks and computes its scores: no",
            "second sample, no halves, no errors, no augmented real images.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
