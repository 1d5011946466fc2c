"""What each registered model costs: parameters, operations, and training steps beside SAGAN's.

    python benchmarks/model_costs.py [--models edm,flow] [--res 64] [--steps 16]

regenerates ``benchmarks/results/model_costs.md`` and ``model_costs.json`` in about half an hour on one core:
every model as it is by default, and with its preset ``light`` where it has one. Parameters and operations are
counted as in ``bench table 1``. Steps are taken in the first epoch of a training and in the last, since some
models learn in stages, in turn with SAGAN's. Times are of the processor, by one thread, which other work on
the machine changes least.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import _report
import torch

from harness.api import Batch, Clock, ImageShape, Model
from harness.freed_memory import kept_memory
from harness.plugins import Registry
from harness.tables.complexity import count

BESIDE = "sagan"
EPOCHS = 1000
#: Operations on 64 images, in units of 2^30, from which 32 images would take minutes and gigabytes.
MANY = 100
#: Images of a step, and what the number of steps is divided by, below that and above.
BATCH, FEW = (32, 1), (2, 8)


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("--models", help="comma separated; all without it")
    parser.add_argument("--res", type=int, default=64, help="side of the images")
    parser.add_argument("--steps", type=int, default=16, help="of each kind; an eighth for large networks")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=["cost"])
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(cost(**options.settings)))
        return
    registry = Registry()
    names = options.models.split(",") if options.models else [one.name for one in registry.entries("models")]
    rows = []
    for name in names:
        for preset in ("", "light"):
            if preset and preset not in registry.load("models", name).presets:
                continue
            case = {"name": name, "preset": preset, "side": options.res, "steps": options.steps}
            rows.append({**case, **_report.in_process(__file__, "cost", **case)})
            print(" | ".join(map(str, line(rows[-1]))), flush=True)
    _report.publish("model_costs", {"models": rows}, page(rows, options.res, options.steps), out=options.out)


def make(name: str, side: int, preset: str = "") -> Model:
    """A model as it is by default, or with the settings of a preset that are its own."""
    cls = Registry().load("models", name)
    settings = {
        key: value for key, value in cls.presets.get(preset, {}).items() if key in cls.Config.model_fields
    }
    torch.manual_seed(0)
    model: Model = cls(ImageShape(3, side, side), cls.Config(**settings))
    return model.train()


class Steps:
    """Steps of a model in one epoch of a training, and how long they took."""

    def __init__(self, model: Model, batch: int, epoch: int) -> None:
        images = torch.rand(batch, model.shape.channels, model.shape.height, model.shape.width) * 2 - 1
        self.model, self.batch, self.epoch = model, Batch(images, source=-images), epoch
        self.taken, self.seconds = 0, 0.0

    def take(self) -> None:
        """One more."""
        started = time.process_time()
        self.model.train_step(self.batch, Clock(self.taken, self.epoch, EPOCHS))
        self.taken, self.seconds = self.taken + 1, self.seconds + time.process_time() - started


def cost(name: str, preset: str, side: int, steps: int) -> dict[str, Any]:
    """What one model costs. The first step of each kind, which allocates, is not counted."""
    torch.set_num_threads(1)
    with torch.device("meta"):
        size = count(make(name, side, preset))["all"]
    operations = size.operations / 2**30
    batch, fewer = BATCH if operations < MANY else FEW
    model = make(name, side, preset)
    kinds = {
        "first": Steps(model, batch, 0),
        "last": Steps(model, batch, EPOCHS - 1),
        "beside": Steps(make(BESIDE, side), batch, 0),
    }
    with kept_memory():  # as in a training
        for each in kinds.values():
            each.take()
            each.seconds = 0.0
        for _ in range(max(steps // fewer, 1)):
            for each in kinds.values():
                each.take()
    means = {kind: each.seconds / (each.taken - 1) for kind, each in kinds.items()}
    return {"parameters": size.parameters / 1e6, "operations": operations, "batch": batch, "seconds": means}


def page(rows: list[dict[str, Any]], side: int, steps: int) -> str:
    """All of it in Markdown."""
    head = [
        "model", "preset", "parameters (M)", "operations (G)", "batch", "a step, first epoch (s)",
        f"in steps of {BESIDE}", "a step, last epoch (s)", f"in steps of {BESIDE}",
    ]  # fmt: skip
    return "\n\n".join([
        f"# What models cost at {side} px",
        f"Made by `python benchmarks/model_costs.py --res {side} --steps {steps}`. {_report.machine_words()}",
        "Operations: multiply-accumulates of all networks on 64 images, in units of 2^30, as `bench table 1` "
        "counts them. Seconds are means, of the processor, by one thread: two cores take a little more than "
        f"half as long. Steps of a model and of {BESIDE} are taken in turn, on batches of one size: their "
        "ratio is what to compare. Large networks take steps of 2 images: 32 take about 16 times as long.",
        _report.table(head, map(line, rows)),
    ]) + "\n"  # fmt: skip


def line(row: dict[str, Any]) -> list[object]:
    start = [row["name"], row["preset"] or "default"]
    if "error" in row:
        return [*start, row["error"], *[""] * 6]
    means = row["seconds"]
    times = [
        text
        for kind in ("first", "last")
        for text in (f"{means[kind]:.2f}", f"{means[kind] / means['beside']:.2f}")
    ]
    return [*start, f"{row['parameters']:.1f}", f"{row['operations']:.4g}", row["batch"], *times]


if __name__ == "__main__":
    main()
