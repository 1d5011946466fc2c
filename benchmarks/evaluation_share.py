"""How much of a training is spent outside its steps: evaluations, checkpoints, logs, and feeding images.

    python benchmarks/evaluation_share.py --data-root DIR

regenerates ``benchmarks/results/evaluation_share.md`` and ``evaluation_share.json`` in five minutes on two
cores. DIR holds COVID-CT (``bench show dataset covid-ct``); without it HAGAN learns slices of the phantom.

HAGAN trains at 64 px in its second stage, scored by ``swd`` as a cell is, and every part is timed.
Evaluations come every 2 epochs, to see several of them; the share is that of a training with one every 10
epochs, long after its beginning: an estimate, put together from the medians of the parts. The first
evaluation, which computes what is kept of the real images, doesn't count; best networks are kept at each, as
if it were better than all before. What a cell does once, before and after its training, is no part of it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import _report
import torch
from _watch import Watch, watching

import harness
from harness.plugins import current
from harness.scoring.scorer import Scorer
from harness.tasks import synthesis
from harness.training import loop
from harness.training.loop import CHECKPOINT_SECONDS, Trainer

SIDE, BATCH = 64, 32
#: As many slices of the phantom as COVID-CT has images.
IMAGES = 397
#: Epochs between two evaluations of the training that the share is of, and of the one that is timed.
EVERY, TIMED = 10, 2
WANTED = 0.05


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--data-root", type=Path, help="folder of COVID-CT; the phantom without it")
    parser.add_argument("--evaluations", type=int, default=6, help="timed, the first of which doesn't count")
    parser.add_argument("--model", default="hagan")
    parser.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE", help="of the model")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    _report.publish("evaluation_share", found, page(found), out=options.out)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds of each part, of the clock and of the processor, and the share that they make up."""
    dataset, own = ("phantom", {"dataset.images": IMAGES}) if options.data_root is None else ("covid-ct", {})
    settings = dict(setting.split("=", 1) for setting in options.settings)
    if options.model == "hagan":
        settings = {"warmup_epochs": 0, **settings}
    protocol = {
        "batch_size": BATCH, "metrics": "swd", "epochs": TIMED * options.evaluations, "evaluate_every": TIMED
    }  # fmt: skip
    places = {
        "step": (current().load("models", options.model), "train_step"),
        "sampling": (synthesis, "sample_images"),
        "scoring": (Scorer, "score"),
        "best networks": (loop, "save_networks"),
        "checkpoint": (Trainer, "save"),
        "evaluation": (Trainer, "_evaluate"),
        "training": (Trainer, "fit"),
    }
    with watching(places) as watch:
        record = harness.run(
            options.model, dataset, SIDE, settings={**own, **protocol, **settings},
            data_root=options.data_root, results=folder / "results", cache=folder / "cache",
            device="cpu", offline=True,
        )  # fmt: skip
    steps = len(watch.calls["step"]) // (TIMED * options.evaluations)
    kinds = {kind: shares(watch, kind, steps) for kind in ("wall", "cpu")}
    what = {"images": dataset, "model": options.model, "evaluations": options.evaluations}
    made = {"threads": torch.get_num_threads(), "identity": record.identity}
    return {**what, "steps_per_epoch": steps, **kinds, **made}


def shares(watch: Watch, kind: str, steps_per_epoch: int) -> dict[str, float]:
    """Seconds between one evaluation and the next, ``EVERY`` epochs later, by what they are spent on."""
    steps = EVERY * steps_per_epoch
    evaluations = len(watch.calls["evaluation"])
    # Sampling and scoring happen after the training too; the first evaluation does more than those after it.
    parts = {name: watch.median(name, kind, of=slice(1, evaluations)) for name in ("sampling", "scoring")}
    parts["best networks"] = watch.median("best networks", kind)
    saving = watch.median("checkpoint", kind)
    rest = watch.median("evaluation", kind, of=slice(1, None)) - sum(parts.values()) - saving
    # Checkpoints within an epoch, of a slow machine, are neither an evaluation's nor around a step.
    between = (len(watch.calls["checkpoint"]) - evaluations) * saving
    around = watch.total("training", kind) - watch.total("step", kind) - watch.total("evaluation", kind)
    seconds = {
        "steps": steps * watch.total("step", kind) / len(watch.calls["step"]),
        "around steps": steps * (around - between) / len(watch.calls["step"]),
        **parts,
        "around evaluations": max(rest, 0.0),
    }
    often = 1 + int(seconds["steps"] // CHECKPOINT_SECONDS)
    return {**seconds, "checkpoints": often * saving}


def share(seconds: dict[str, float]) -> float:
    """Of all that is not a step."""
    return 1 - seconds["steps"] / sum(seconds.values())


def page(found: dict[str, Any]) -> str:
    """All of it in Markdown."""
    wall, cpu = found["wall"], found["cpu"]
    rows = [
        [part, f"{wall[part]:.2f}", f"{wall[part] / sum(wall.values()):.2%}", f"{cpu[part]:.2f}",
         f"{cpu[part] / sum(cpu.values()):.2%}"]
        for part in wall
    ]  # fmt: skip
    of_clock, of_processor = share(wall), share(cpu)
    verdict = "reached" if of_clock < WANTED else "**not reached**"
    root = " --data-root DIR" if found["images"] != "phantom" else ""
    return "\n\n".join([
        "# The share of a training outside its steps, measured",
        f"Made by `python benchmarks/evaluation_share.py{root}`. {_report.machine_words()}",
        f"`{found['model']}` at {SIDE} px on {found['images']}, {found['steps_per_epoch']} steps of {BATCH} "
        f"images an epoch, by {found['threads']} threads, and an evaluation by `swd` every {EVERY} epochs: "
        "what is spent from one evaluation to the next, long after the beginning. An estimate from the parts "
        f"of a training with an evaluation every {TIMED} epochs, {found['evaluations']} of them, all but the "
        f"first of which count. Checkpoints are those of the evaluation and "
        f"of each {CHECKPOINT_SECONDS:g} s; networks are kept as if each evaluation were the best.",
        _report.table(["part", "seconds", "share", "processor seconds", "share"], rows),
        f"Outside `train_step`: **{of_clock:.1%}** of the time, {of_processor:.1%} of the processor's. "
        f"Wanted: under {WANTED:.0%}, {verdict}.",
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    main()
