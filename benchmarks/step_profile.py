"""What a training step spends its time on, by kind of operation, beside a plain loop's.

    python benchmarks/step_profile.py [--models hagan,ddpm] [--res 256]

regenerates ``benchmarks/results/step_profile.md`` and ``step_profile.json`` in some minutes on two cores.
With ``--models`` or ``--res`` only these lines are measured anew. Each side takes steps as in
``training.py``, under torch's profiler, which sees the thread that gives the work to others: times are of the
clock, and everything is counted once, under what it belongs to. It says what bounds how many times as fast a
step can be: what both sides spend on the same convolutions can't be saved by either.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import _report
import torch
from _loops import BATCH, PERIOD, Rounds, make_loop, make_plain
from harness_models import synthesis
from plain import PLAIN, steps
from torch.profiler import ProfilerActivity, profile, record_function
from training import write_images

from harness.freed_memory import kept_memory

#: Kinds of operations by what is in their names. An operation is of the first kind that fits it, or else of
#: that of what called it.
KINDS = {
    "optimiser": ("Optimizer.", "_fused_adam", "_foreach_lerp"),
    "augmentation": ("augmentation",),
    "convolutions, backward": ("convolution_backward", "ConvolutionBackward", "slow_conv2d_backward"),
    "convolutions, forward": ("conv",),
    "attention": ("scaled_dot_product", "ScaledDotProduct", "softmax", "Softmax", "bmm", "Bmm"),
    "normalisation": ("batch_norm", "BatchNorm", "group_norm", "GroupNorm", "SpectralNorm", "addmv"),
    "activations": ("relu", "Relu", "silu", "Silu", "tanh", "Tanh", "threshold"),
    "copies and zeros": ("copy", "clone", "contiguous", "aten::cat", "fill_", "zero_"),
    "sums of gradients": ("add_",),
    "reading images": ("DataLoader", "images"),
}
REST = "rest"


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--models", default="hagan,unetgan,infogan,ddpm", help="comma separated")
    parser.add_argument("--res", default="64,256", help="comma separated")
    parser.add_argument(
        "--steps", type=int, default=2, help="profiled, times those after which all kinds were seen"
    )
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    order = list(PLAIN)
    lines = {
        (line["side"], line["model"]): line
        for line in _report.numbers_in("step_profile", options.out).get("steps", [])
    }
    with tempfile.TemporaryDirectory() as folder:
        for side in map(int, options.res.split(",")):
            images = write_images(side, Path(folder))
            for name in options.models.split(","):
                shares = {
                    which: seconds_by_kind(name, side, images, options.steps, which)
                    for which in ("ours", "plain")
                }
                lines[side, name] = {"model": name, "side": side, **shares, "on": _report.made_on()}
                found = sorted(lines.values(), key=lambda line: (line["side"], order.index(line["model"])))
                _report.write("step_profile", {"steps": found}, page(found), options.out)


def seconds_by_kind(name: str, side: int, images: Path, count: int, which: str) -> dict[str, float]:
    """Seconds of a step of one side, by kind of operation."""
    place = torch.device("cpu")
    loop = make_loop(name, side, images, place)
    taken = count * PERIOD.get(name, 1)
    rounds = Rounds(loop.take if which == "ours" else make_plain(name, loop, images).take, taken)
    loop.augment = named("augmentation", loop.augment)
    before = synthesis.diff_augment, steps.diff_augment
    synthesis.diff_augment = steps.diff_augment = named("augmentation", before[0])
    try:
        with kept_memory():
            rounds.run()
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                rounds.run()
    finally:
        synthesis.diff_augment, steps.diff_augment = before
    seconds: Counter[str] = Counter()
    for event in profiler.events():
        seconds[kind_of(event)] += event.self_cpu_time_total / 1e6 / taken
    return dict(seconds)


def named(name: str, function: Any) -> Any:
    """A function whose operations the profiler finds under a name."""

    def call(*arguments: Any, **options: Any) -> Any:
        with record_function(name):
            return function(*arguments, **options)

    return call


def kind_of(event: Any) -> str:
    """What an operation belongs to: the optimiser or the augmentation that it is in, else by its name."""
    names = [event.name]
    while event.cpu_parent is not None:
        event = event.cpu_parent
        names.append(event.name)
    for kind in ("optimiser", "augmentation"):
        if any(part in name for name in names for part in KINDS[kind]):
            return kind
    for name in names:
        for kind, parts in KINDS.items():
            if any(part in name for part in parts):
                return kind
    return REST


def page(lines: list[dict[str, Any]]) -> str:
    """All of it in Markdown."""
    machines = "; ".join(dict.fromkeys(_report.words_of(line["on"]) for line in lines))
    head = ["of a step"]
    for line in lines:
        head += [f"{line['model']} {line['side']} px ms", "share", "plain ms", "share"]
    return "\n\n".join([
        "# What a training step consists of, measured",
        f"Made by `python benchmarks/step_profile.py`, on {machines}.",
        f"Milliseconds of a step, of {BATCH[64]} images at 64 px and {BATCH[256]} at 256 px, by kind of "
        "operation, in the product and in a plain loop, both of which keep their memory here. What is the "
        "same work on both sides, the convolutions above all, bounds how many times as fast a step can be.",
        _report.table(head, [row(kind, lines) for kind in (*KINDS, REST)]),
    ]) + "\n"  # fmt: skip


def row(kind: str, lines: list[dict[str, Any]]) -> list[object]:
    cells: list[object] = [kind]
    for line in lines:
        for which in ("ours", "plain"):
            seconds = line[which].get(kind, 0.0)
            cells += [f"{1000 * seconds:.1f}", f"{seconds / sum(line[which].values()):.1%}"]
    return cells


if __name__ == "__main__":
    main()
