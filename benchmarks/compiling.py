"""What ``--compile`` gives each model, and what it costs.

    python benchmarks/compiling.py [--models sagan,hagan] [--res 64] [--repeats 8]

regenerates ``benchmarks/results/compiling.md`` and ``compiling.json`` in an hour on two cores, which needs a
C++ compiler, as ``--compile`` does; without one the page says so. With ``--models`` only these lines are
measured anew. Every model is taken in its default settings, or with its preset ``light`` where it has one, on
random images, in the last epoch of a training, when all stages have begun.

Compiling is timed with an empty cache: the networks as the trainer compiles them, and what the first steps
take longer than those after them, for networks are compiled again for each kind of call (another number of
images, frozen weights). Then it is timed once more in another process, which finds what the first one left
in the cache, as a second cell on the same machine does. Steps with and without take turns in one process.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import _report
import torch
from _loops import PERIOD, Rounds, interleave, spread

from harness.api import Batch, Clock, ImageShape, Model
from harness.freed_memory import kept_memory
from harness.plugins import current
from harness.training.compilation import begin_step, compile_networks

BATCH = 32
#: Rounds after which every kind of call has been made at least twice.
FIRST = 3


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--models", help="comma separated; all without it")
    parser.add_argument("--res", type=int, default=64, help="side of the images")
    parser.add_argument("--repeats", type=int, default=8, help="rounds of each side")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](**options.settings)))
        return
    order = [one.name for one in current().entries("models")]
    lines = {line["model"]: line for line in _report.numbers_in("compiling", options.out).get("models", [])}
    for name in options.models.split(",") if options.models else order:
        lines[name] = measure(name, options.res, options.repeats)
        print(" | ".join(map(str, row(lines[name]))), flush=True)
        numbers = {"models": [lines[known] for known in order if known in lines]}
        _report.write("compiling", numbers, page(numbers["models"]), options.out)


def measure(name: str, side: int, repeats: int) -> dict[str, Any]:
    """A line of the table."""
    preset = "light" if "light" in current().load("models", name).presets else ""
    what = {"model": name, "preset": preset, "side": side, "on": _report.made_on()}
    with tempfile.TemporaryDirectory() as cache:
        case = {"name": name, "preset": preset, "side": side, "cache": cache}
        cold = _report.in_process(__file__, "steps", **case, repeats=repeats)
        if "error" in cold:
            return {**what, **cold}
        warm = _report.in_process(__file__, "compiling", **case)
        return {**what, **cold, "again_seconds": warm.get("compiling_seconds")}


class NotCompiled(Exception):
    """A model's networks can't be compiled here; the words say why."""


class Steps:
    """Steps of a model in the last epoch of a training, compiled or not."""

    def __init__(self, name: str, preset: str, side: int) -> None:
        self.model = make(name, preset, side)
        images = torch.rand(BATCH, 3, side, side) * 2 - 1
        self.batch = Batch(images, source=-images)
        self.rounds = Rounds(self.take, PERIOD.get(name, 1))

    def take(self, clock: Clock) -> dict[str, torch.Tensor]:
        """One step."""
        begin_step(self.batch.images.device)
        return self.model.train_step(self.batch, clock)

    def first(self) -> None:
        """Take the first steps, of every kind."""
        for _ in range(FIRST):
            self.rounds.run()


def make(name: str, preset: str, side: int) -> Model:
    """A model in the settings of a preset that are its own."""
    kind = current().load("models", name)
    settings = {
        key: value for key, value in kind.presets.get(preset, {}).items() if key in kind.Config.model_fields
    }
    torch.manual_seed(0)
    model: Model = kind(ImageShape(3, side, side), kind.Config(**settings))
    return model.train()


def compiled(name: str, preset: str, side: int, cache: str) -> tuple[Steps, float]:
    """A model with compiled networks that has taken its first steps, and the seconds of all that.

    Raises:
        NotCompiled: It can't be.
    """
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
    steps = Steps(name, preset, side)
    started = time.perf_counter()
    if problem := compile_networks(steps.model, BATCH, torch.device("cpu")):
        raise NotCompiled(problem)
    steps.first()
    return steps, time.perf_counter() - started


def time_compiling(name: str, preset: str, side: int, cache: str) -> dict[str, Any]:
    """Seconds of compiling, first steps less what they take later."""
    try:
        steps, seconds = compiled(name, preset, side, cache)
    except NotCompiled as problem:
        return {"error": str(problem)}
    usual = Rounds(steps.take, steps.rounds.steps)
    usual.run()
    return {"compiling_seconds": seconds - FIRST * steps.rounds.steps * usual.seconds[0]}


def time_steps(name: str, preset: str, side: int, cache: str, repeats: int) -> dict[str, Any]:
    """Seconds of compiling, and of a step with and without."""
    with kept_memory():
        try:
            quick, seconds = compiled(name, preset, side, cache)
        except NotCompiled as problem:
            return {"error": str(problem)}
        plain = Steps(name, preset, side)
        sides = [quick.rounds, plain.rounds]
        interleave(sides, repeats, float("inf"))
    with_it, without = (side.seconds for side in sides)
    usual = spread(with_it)
    return {
        "compiling_seconds": seconds - FIRST * quick.rounds.steps * usual["median"],
        "compiled_seconds": usual,
        "plain_seconds": spread(without),
        "ratio": spread([slow / fast for slow, fast in zip(without, with_it, strict=True)]),
        "cpu_ratio": spread(
            [a / b for a, b in zip(plain.rounds.cpu_seconds, quick.rounds.cpu_seconds, strict=True)]
        ),
    }


PARTS = {"steps": time_steps, "compiling": time_compiling}


def page(lines: list[dict[str, Any]]) -> str:
    """All of it in Markdown."""
    head = [
        "model", "preset", "compiling s", "with a full cache s", "a step ms", "compiled ms", "times as fast",
        "quartiles", "of processor time", "n", "pays after steps",
    ]  # fmt: skip
    machines = "; ".join(dict.fromkeys(_report.words_of(line["on"]) for line in lines))
    return "\n\n".join([
        "# Compiling networks, measured",
        f"Made by `python benchmarks/compiling.py`, on {machines}.",
        f"Steps of {BATCH} images of {lines[0]['side']} px on a processor, with `--compile` and without: "
        "medians in turn, and quartiles of the ratio. Compiling is what passes before steps take their "
        "usual time; with a full cache it is what a second cell on the same machine waits for. It pays "
        "after so many steps as make up for it, with an empty cache.",
        _report.table(head, map(row, lines)),
    ]) + "\n"  # fmt: skip


def row(line: dict[str, Any]) -> list[object]:
    start = [line["model"], line["preset"] or "default"]
    if "error" in line:
        return [*start, line["error"].replace("|", "/"), *[""] * 8]
    fast, slow, ratio = (line[key]["median"] for key in ("compiled_seconds", "plain_seconds", "ratio"))
    again, price = line["again_seconds"], line["compiling_seconds"]
    pays = f"{price / (slow - fast):,.0f}" if slow > fast else "never"
    return [
        *start, f"{price:.0f}", "?" if again is None else f"{again:.0f}", f"{1000 * slow:.1f}",
        f"{1000 * fast:.1f}", f"{ratio:.2f}", f"{line['ratio']['low']:.2f} to {line['ratio']['high']:.2f}",
        f"{line['cpu_ratio']['median']:.2f}", line["ratio"]["n"], pays,
    ]  # fmt: skip


if __name__ == "__main__":
    main()
