"""Speed and memory of training, beside plain loops of the same networks, and what a cell costs around it.

    python benchmarks/training.py [--models sagan,hagan] [--res 64] [--repeats 15]

The plain loops (``benchmarks/plain``) are written as public implementations are, and compute the same
losses. Both sides take turns in one process, on batches of 32 at 64 px and of 2 at 256 px. Times are of
whole steps, images included. Linux only. Nothing else should run meanwhile. Regenerates ``training.json``
and ``training.md`` in ``benchmarks/results`` in about half an hour on two cores.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import _report
import torch
from _cells import limits, measure_cells, measure_starts, run_cell
from _loops import (
    BATCH,
    PERIOD,
    Rounds,
    allocate_states,
    flops_of,
    interleave,
    make_loop,
    make_plain,
    matmul_flops,
    peak_mib,
    spread,
)
from plain import PLAIN, PlainGAN

from harness.data.pictures import save_png
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset
from harness.training.arithmetic import arithmetic, effective_precision

IMAGES = 128
#: On CUDA a step is shorter than a look at its losses, which the product takes every tenth step only.
CUDA_STEPS = 20
#: (at least so many times as fast as the plain loop at 64 px, where more is wanted than not to be slower)
WANTED = {"sagan": 1.5, "hagan": 1.5}


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--models", default=",".join(PLAIN), help="comma separated; empty for none")
    parser.add_argument("--res", default=",".join(map(str, BATCH)), help="comma separated")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of each side, at most")
    parser.add_argument("--seconds", type=float, default=40.0, help="for each model and size, about")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true", help="compile the product's networks")
    parser.add_argument("--cells", action="store_true", help="with --models: measure cells and starts too")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](**options.settings)))
        return
    names = [name for name in options.models.split(",") if name]
    whole = names == list(PLAIN) or options.cells
    with tempfile.TemporaryDirectory() as folder:
        steps = list(
            compare_all(names, [int(side) for side in options.res.split(",")], options, Path(folder))
        )
        cell = measure_cells(Path(folder)) if whole else {}
        start = measure_starts(Path(folder), min(options.repeats, 5)) if whole else {}
    numbers = {"steps": steps, "cells": cell, "start": start, "precision": options.precision}
    _report.publish("training", numbers, page(numbers, options), out=options.out, device=options.device)


# Steps


def compare_all(names: list[str], sides: list[int], options: Any, folder: Path) -> Any:
    """Each model at each size, in processes of their own: one for the times, one for each side's memory."""
    for side in sides:
        images = write_images(side, folder)
        for name in names:
            case = {
                "name": name, "side": side, "folder": str(images), "device": options.device,
                "precision": options.precision,
            }  # fmt: skip
            timing = {"repeats": options.repeats, "seconds": options.seconds, "compiled": options.compile}
            found = {"model": name, "side": side, **_report.in_process(__file__, "steps", **case, **timing)}
            for which in ("ours", "plain"):
                memory = _report.in_process(__file__, "memory", **case, which=which)
                found[f"{which}_mib"] = memory.get("mib")
            print(words(found), flush=True)
            yield found


def write_images(side: int, folder: Path) -> Path:
    """Phantoms as PNG files."""
    dataset = make_dataset("phantom", {"images": IMAGES}, None)
    images = folder / f"images{side}"
    for number, image in enumerate(prepare(dataset, "phantom", [side], folder / "cache")[side].images):
        save_png(images / f"{number:04d}.png", image)
    return images


def time_steps(
    name: str,
    side: int,
    folder: str,
    device: str,
    precision: str,
    repeats: int,
    seconds: float,
    compiled: bool,
) -> dict[str, Any]:
    """Seconds of a step of both sides."""
    place = torch.device(device)
    steps = CUDA_STEPS if place.type == "cuda" else PERIOD.get(name, 1)
    with arithmetic(precision, place):
        loop = make_loop(name, side, Path(folder), place)
        plain = make_plain(name, loop, Path(folder))
        note = loop.compile() if compiled else None
        sides = [Rounds(loop.take, steps), Rounds(plain.take, steps)]
        interleave(sides, repeats, seconds)
        ours, theirs = (rounds.seconds for rounds in sides)
        found = {
            "ours_seconds": spread(ours),
            "plain_seconds": spread(theirs),
            "ratio": spread([slow / fast for fast, slow in zip(ours, theirs, strict=True)]),
            "plain_feeding_share": plain.feeding / (sides[1].done * statistics.mean(theirs)),
            "images_per_second": BATCH[side] / statistics.median(ours),
            "note": note,
        }
        if place.type == "cuda":
            work = flops_of(loop, PERIOD.get(name, 1))
            reached = work / statistics.median(ours)
            found["roofline_share"] = reached / matmul_flops(place, effective_precision(precision, place))
    return found


def one_sides_memory(
    name: str, side: int, folder: str, device: str, precision: str, which: str
) -> dict[str, float]:
    """The most memory of a process that takes steps of one side alone, libraries included."""
    place = torch.device(device)
    with arithmetic(precision, place):
        loop = make_loop(name, side, Path(folder), place)
        take, optimizers = loop.take, list(loop.model.optimizers().values())
        if which == "plain":
            plain = make_plain(name, loop, Path(folder))
            take, step = plain.take, plain.step
            optimizers = list(step.optimizers.values()) if isinstance(step, PlainGAN) else [step.optimizer]
            del loop
        allocate_states(optimizers)
        Rounds(take, PERIOD.get(name, 1)).run()
    return {"mib": peak_mib(place)}


PARTS = {"steps": time_steps, "memory": one_sides_memory, "cell": run_cell}


# The page


def words(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"{found['model']} {found['side']} px: {found['error']}"
    ours, plain, ratio = (found[key]["median"] for key in ("ours_seconds", "plain_seconds", "ratio"))
    return (
        f"{found['model']} {found['side']} px: {1000 * ours:.1f} ms, plain {1000 * plain:.1f} ms, "
        f"x{ratio:.2f} (n = {found['ratio']['n']}) {found['note'] or ''}"
    )


def page(numbers: dict[str, Any], options: Any) -> str:
    """All of it in Markdown."""
    on_cuda = torch.device(options.device).type == "cuda"
    head = [
        "model", "px", "batch", "ours ms", "plain ms", "of it images", "times as fast", "quartiles", "n",
        "wanted", "images/s", "ours MiB", "plain MiB", *(["of a matmul's rate"] if on_cuda else []),
    ]  # fmt: skip
    compiled = ", the product's networks compiled" if options.compile else ""
    parts = [
        "# Training, measured",
        f"Made by `python benchmarks/training.py`. {_report.machine_words(options.device)}",
        f"A step of the product beside one of a plain loop of the same networks{compiled}: medians over n "
        "rounds in turn, and the quartiles of the ratio. *Of it images* is the share of the plain step "
        "that goes into decoding PNG files. Memory is the most that a process has had, libraries included, "
        "in steps of one side alone. HAGAN is in its second stage; half of UNetGAN's steps are on mixed "
        "images; WGAN moves its generator at every fifth step.",
        _report.table(head, [line(found, on_cuda) for found in numbers["steps"]]),
    ]
    rows = limits(numbers["cells"], numbers["start"])
    if rows:
        parts += ["A cell around its steps, and how long commands take to start:"]
        parts += [_report.table(["what", "measured", "wanted", "reached"], rows)]
    return "\n\n".join(parts) + "\n"


def line(found: dict[str, Any], on_cuda: bool) -> list[object]:
    name, side = found["model"], found["side"]
    if "error" in found:
        return [name, side, BATCH[side], found["error"], *[""] * (9 + on_cuda)]
    ratio = found["ratio"]
    wanted = WANTED.get(name, 1.0) if side == 64 else 1.0
    memory = [f"{found[key]:.0f}" if found[key] else "?" for key in ("ours_mib", "plain_mib")]
    return [
        name, side, BATCH[side], f"{1000 * found['ours_seconds']['median']:.1f}",
        f"{1000 * found['plain_seconds']['median']:.1f}", f"{found['plain_feeding_share']:.0%}",
        f"{ratio['median']:.2f}", f"{ratio['low']:.2f} to {ratio['high']:.2f}", ratio["n"],
        f"≥ {wanted:g}{verdict(ratio, wanted)}",
        f"{found['images_per_second']:.3g}",
        *memory, *([f"{found['roofline_share']:.1%}"] if on_cuda else []),
    ]  # fmt: skip


def verdict(ratio: dict[str, float], wanted: float) -> str:
    """What to add where the median misses what is wanted."""
    if ratio["median"] >= wanted:
        return ""
    return ", within the spread" if ratio["high"] >= wanted else ", **not reached**"


if __name__ == "__main__":
    main()
