"""Speed and memory of training, beside plain loops of the same networks, and what a cell costs around it.

    python benchmarks/training.py [--models sagan,hagan] [--res 64] [--repeats 15]

The plain loops (``benchmarks/plain``) are written as public implementations are, and compute the same
losses. Each side has a process of its own, since how a process handles its memory is a part of its speed, and
both take turns, on batches of 32 at 64 px and of 2 at 256 px. Times are of whole steps, images included.
Linux only. Nothing else should run meanwhile. Regenerates ``training.json`` and ``training.md`` in
``benchmarks/results``, and the table on the first page, in about half an hour on two cores. With ``--models``
or ``--res`` only these lines are measured anew; each says what it was made on.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import _first_page
import _report
import torch
from _cells import limits, measure_cells, measure_starts, run_cell
from _loops import (
    BATCH,
    PERIOD,
    Rounds,
    flops_of,
    interleave,
    make_loop,
    make_plain,
    matmul_flops,
    peak_mib,
    spread,
)
from _workers import Worker, answer_turns
from plain import PLAIN

from harness.data.pictures import save_png
from harness.data.prepare import prepare
from harness.freed_memory import kept_memory
from harness.running.datasets import make_dataset
from harness.training.arithmetic import arithmetic, effective_precision

IMAGES = 128
#: Seconds that nobody's round takes.
LONGEST = 1800
#: On CUDA a step is shorter than a look at its losses, which the product takes every tenth step only.
CUDA_STEPS = 20
#: At least so many times as fast as the plain loop, where more is wanted than not to be slower.
WANTED = {
    (64, "sagan"): 1.5, (64, "hagan"): 1.5, (64, "ddpm"): 1.2,
    (256, "hagan"): 1.4, (256, "unetgan"): 1.4, (256, "infogan"): 1.4, (256, "ddpm"): 1.2,
}  # fmt: skip


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--models", default=",".join(PLAIN), help="comma separated; empty for none")
    parser.add_argument("--res", default=",".join(map(str, BATCH)), help="comma separated")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of each side, at most")
    parser.add_argument("--seconds", type=float, default=40.0, help="for each model and size, about")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--cells", action="store_true", help="with --models: measure cells and starts too")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        found = PARTS[options.part](**options.settings)
        if found is not None:
            print(json.dumps(found))
        return
    names = [name for name in options.models.split(",") if name]
    sides = [int(side) for side in options.res.split(",")]
    whole = names == list(PLAIN) or options.cells
    numbers = _report.numbers_in("training", options.out) or {"steps": [], "cells": {}, "start": {}}
    with tempfile.TemporaryDirectory() as folder:
        for found in compare_all(names, sides, options, Path(folder)):
            numbers["steps"] = with_line(numbers["steps"], found)
        if whole:
            numbers["cells"] = {**measure_cells(Path(folder)), "on": _report.made_on()}
            starts = measure_starts(Path(folder), min(options.repeats, 5))
            numbers["start"] = {**starts, "on": _report.made_on()}
    _report.write("training", numbers, page(numbers), options.out)
    if options.out == _report.RESULTS:
        _first_page.publish(numbers)


def with_line(lines: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """A line in its place, or in that of an older one."""
    order = list(PLAIN)
    kept = [line for line in lines if (line["side"], line["model"]) != (new["side"], new["model"])]
    return sorted([*kept, new], key=lambda line: (line["side"], order.index(line["model"])))


# Steps


def compare_all(names: list[str], sides: list[int], options: Any, folder: Path) -> Any:
    """Each model at each size."""
    for side in sides:
        images = write_images(side, folder)
        for name in names:
            what = {"model": name, "side": side, "batch": BATCH[side], "precision": options.precision}
            case = {
                "name": name, "side": side, "folder": str(images), "device": options.device,
                "precision": options.precision,
            }  # fmt: skip
            found = {**what, **compare(case, options.repeats, options.seconds)}
            found["on"] = _report.made_on(options.device)
            print(words(found), flush=True)
            yield found


class Side:
    """One side, in a process of its own. A turn is a round of its steps."""

    def __init__(self, **case: Any) -> None:
        self.worker = Worker(__file__, "side", **case)
        self.forget()

    def run(self) -> None:
        """One more round."""
        self.worker.begin_turn()
        answer = self.answer()
        self.seconds.append(answer["seconds"])
        self.cpu_seconds.append(answer["cpu_seconds"])
        self.last = answer

    def answer(self) -> dict[str, Any]:
        """What it says next."""
        answer = self.worker.answer(time.monotonic() + LONGEST)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def forget(self) -> None:
        """Begin to count."""
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []


def compare(case: dict[str, Any], repeats: int, seconds: float) -> dict[str, Any]:
    """Seconds of a step and memory of both sides."""
    ours, plain = sides = [Side(**case, which=which) for which in ("ours", "plain")]
    try:
        ready = [side.answer() for side in sides]
        interleave(sides, repeats, seconds)
    except RuntimeError as error:
        return {"error": str(error)}
    finally:
        for side in sides:
            side.worker.stop()
    found = {
        "ours_seconds": spread(ours.seconds),
        "plain_seconds": spread(plain.seconds),
        "ratio": spread(ratios(plain.seconds, ours.seconds)),
        "cpu_ratio": spread(ratios(plain.cpu_seconds, ours.cpu_seconds)),
        "plain_feeding_share": plain.last["feeding"] / statistics.mean(plain.seconds),
        "images_per_second": BATCH[case["side"]] / statistics.median(ours.seconds),
        "ours_mib": ours.last["mib"],
        "plain_mib": plain.last["mib"],
    }
    if "flops" in ready[0]:
        found["roofline_share"] = ready[0]["flops"] / statistics.median(ours.seconds) / ready[0]["rate"]
    return found


def ratios(slow: list[float], fast: list[float]) -> list[float]:
    """Of each round to the one in its turn."""
    return [one / other for one, other in zip(slow, fast, strict=True)]


def write_images(side: int, folder: Path) -> Path:
    """Phantoms as PNG files."""
    dataset = make_dataset("phantom", {"images": IMAGES}, None)
    images = folder / f"images{side}"
    for number, image in enumerate(prepare(dataset, "phantom", [side], folder / "cache")[side].images):
        save_png(images / f"{number:04d}.png", image)
    return images


def take_turns(name: str, side: int, folder: str, device: str, precision: str, which: str) -> None:
    """In a process of its own: rounds of one side's steps, whenever asked."""
    place = torch.device(device)
    keeping = kept_memory() if which == "ours" and place.type == "cpu" else nullcontext()
    with arithmetic(precision, place), keeping:
        loop = make_loop(name, side, Path(folder), place)
        ready: dict[str, Any] = {"ready": True}
        if which == "ours" and place.type == "cuda":
            ready["flops"] = flops_of(loop, PERIOD.get(name, 1))
            ready["rate"] = matmul_flops(place, effective_precision(precision, place))
        plain = make_plain(name, loop, Path(folder)) if which == "plain" else None
        take = loop.take if plain is None else plain.take
        del loop
        rounds = Rounds(take, CUDA_STEPS if place.type == "cuda" else PERIOD.get(name, 1))

        def measure() -> dict[str, Any]:
            rounds.run()
            feeding = 0.0 if plain is None else plain.feeding / rounds.done
            seconds, cpu_seconds = rounds.seconds[-1], rounds.cpu_seconds[-1]
            return {
                "seconds": seconds, "cpu_seconds": cpu_seconds, "feeding": feeding, "mib": peak_mib(place)
            }  # fmt: skip

        answer_turns(ready, measure)


PARTS = {"side": take_turns, "cell": run_cell}


# The page


def words(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"{found['model']} {found['side']} px: {found['error']}"
    ours, plain, ratio = (found[key]["median"] for key in ("ours_seconds", "plain_seconds", "ratio"))
    return (
        f"{found['model']} {found['side']} px: {1000 * ours:.1f} ms, plain {1000 * plain:.1f} ms, "
        f"x{ratio:.2f} (n = {found['ratio']['n']}), of processor time x{found['cpu_ratio']['median']:.2f}"
    )


def page(numbers: dict[str, Any]) -> str:
    """All of it in Markdown."""
    on_cuda = any("roofline_share" in found for found in numbers["steps"])
    head = [
        "model", "px", "batch", "ours ms", "plain ms", "of it images", "times as fast", "quartiles",
        "of processor time", "n", "wanted", "images/s", "ours MiB", "plain MiB",
        *(["of a matmul's rate"] if on_cuda else []), "on",
    ]  # fmt: skip
    machines = list(dict.fromkeys(_report.words_of(found["on"]) for found in numbers["steps"]))
    parts = [
        "# Training, measured",
        "Made by `python benchmarks/training.py`, each line on one of these machines: "
        + "; ".join(f"{letter(number)}, {machine}" for number, machine in enumerate(machines)) + ".",
        "A step of the product beside one of a plain loop of the same networks: medians over n "
        "rounds in turn, and the quartiles of the ratio. Where others share a machine, the ratio of "
        "processor times says more. *Of it images* is the share of the plain step "
        "that goes into decoding PNG files. Memory is the most that a process has had, libraries included, "
        "in steps of one side alone. HAGAN is in its second stage; half of UNetGAN's steps are on mixed "
        "images; WGAN moves its generator at every fifth step.",
        _report.table(
            head,
            [
                [*line(found, on_cuda), letter(machines.index(_report.words_of(found["on"])))]
                for found in numbers["steps"]
            ],
        ),
    ]  # fmt: skip
    rows = limits(numbers["cells"], numbers["start"])
    if rows:
        parts += [
            "A cell around its steps, and how long commands take to start, on "
            f"{_report.words_of(numbers['cells']['on'])}:"
        ]
        parts += [_report.table(["what", "measured", "wanted", "reached"], rows)]
    return "\n\n".join(parts) + "\n"


def letter(number: int) -> str:
    return chr(ord("a") + number)


def line(found: dict[str, Any], on_cuda: bool) -> list[object]:
    name, side, batch = found["model"], found["side"], found["batch"]
    if "error" in found:
        return [name, side, batch, found["error"], *[""] * (10 + on_cuda)]
    ratio = found["ratio"]
    wanted = WANTED.get((side, name), 1.0)
    memory = [f"{found[key]:.0f}" if found[key] else "?" for key in ("ours_mib", "plain_mib")]
    of_processor = f"{found['cpu_ratio']['median']:.2f}" if "cpu_ratio" in found else ""
    share = f"{found['roofline_share']:.1%}" if "roofline_share" in found else ""
    return [
        name, side, batch, f"{1000 * found['ours_seconds']['median']:.1f}",
        f"{1000 * found['plain_seconds']['median']:.1f}", f"{found['plain_feeding_share']:.0%}",
        f"{ratio['median']:.2f}", f"{ratio['low']:.2f} to {ratio['high']:.2f}", of_processor, ratio["n"],
        f"≥ {wanted:g}{verdict(ratio, wanted)}",
        f"{found['images_per_second']:.3g}",
        *memory, *([share] if on_cuda else []),
    ]  # fmt: skip


def verdict(ratio: dict[str, float], wanted: float) -> str:
    """What to add where the median misses what is wanted."""
    if ratio["median"] >= wanted:
        return ""
    return ", within the spread" if ratio["high"] >= wanted else ", **not reached**"


if __name__ == "__main__":
    main()
