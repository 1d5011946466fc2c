"""Training on images that stay on the disk, beside training on images in memory.

    python benchmarks/streaming.py [--images 200000] [--memory 1GB] [--folder DIR]

Images of 256 px are random bytes: what they show costs nothing here. Both sides take turns in one process,
in steps of a model and in reading alone; the streamed side reads from a warm page cache and, where its file
was dropped from that before each round, from the disk. Memory is that of a process which streams alone.
200,000 images are 13 GB on the disk, and as much memory for the side that holds them, unless ``--held`` says
fewer. Linux only. Regenerates ``streaming.json`` and ``streaming.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _report
import numpy as np
import torch
from _loops import Rounds, allocate_states, interleave, spread

from harness.api import Batch, Clock, ImageShape, Model
from harness.data.layer_file import LayerFile
from harness.data.pixels import to_model_range
from harness.data.stack import Stack
from harness.plugins import Registry
from harness.training.feed import Feed, Resident, Streamed, make_feed
from harness.values import bytes_of

SIDE = 256
CPU = torch.device("cpu")
#: A step may take so many times as long, and a process so many MiB more than the images may take.
WANTED = {"ratio": 1.05, "mib": 600.0}
HEAD = (
    "of one", "in memory ms", "streamed ms", "ratio", "of processor time", "from the disk ms", "ratio", "n",
)  # fmt: skip
#: Batches that are read in a round without a model.
READ = 50


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--memory", default="1GB", help="what images may take in memory")
    parser.add_argument("--held", type=int, help="how many of them the side in memory holds; default: all")
    parser.add_argument("--model", default="dcgan", help="a fast one: what a step costs hides the reading")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--steps", type=int, default=60, help="steps of the process whose memory is measured")
    parser.add_argument("--folder", type=Path, help="where there is room for the images")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=["memory"])
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(memory_of_a_stream(**options.settings)))
        return
    most = bytes_of(options.memory, "--memory")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder) / "images.npy"
        write_images(file, options.images)
        case = {"file": str(file), "model": options.model, "batch": options.batch}
        memory = _report.in_process(__file__, "memory", **case, most=most, steps=options.steps)
        print(memory, flush=True)
        numbers = {
            "images": options.images,
            "held": options.held or options.images,
            "bytes": file.stat().st_size,
            "most": most,
            "memory": memory,
            "model": options.model,
            "batch_size": options.batch,
            **compare(file, options.held, options.model, options.batch, options.repeats),
        }
    _report.publish("streaming", numbers, page(numbers), out=options.out)


def write_images(path: Path, count: int) -> None:
    """Random bytes as a prepared layer."""
    file = LayerFile(path, 1, SIDE)
    rng = np.random.default_rng(0)
    for start in range(0, count, 1000):
        file.append(rng.integers(0, 256, (min(1000, count - start), 1, SIDE, SIDE), np.uint8))
    file.finish()
    file.close()


def opened(path: Path) -> Stack:
    return Stack(np.lib.format.open_memmap(path, mode="r"))


class Epochs:
    """Batches of a feed, epoch after epoch, each in another order."""

    def __init__(self, feed: Feed, size: int) -> None:
        self.feed, self.size = feed, size
        self.batches = iter(())
        self.number = 0

    def next(self) -> torch.Tensor:
        for (images,) in self.batches:
            return images
        order = np.random.default_rng(self.number).permutation(self.feed.count)
        self.number += 1
        self.batches = self.feed.batches(order[: len(order) // self.size * self.size], self.size)
        (images,) = next(self.batches)
        return images


def make_model(name: str) -> Model:
    """A model that has stepped before."""
    torch.manual_seed(0)
    kind = Registry().load("models", name)
    model: Model = kind(ImageShape(3, SIDE, SIDE), kind.Config()).train()
    allocate_states(list(model.optimizers().values()))
    return model


def trainer(model: Model, size: int, feed: Feed) -> Callable[[Clock], Any]:
    """Steps of a model, each on the next batch."""
    epochs = Epochs(feed, size)

    def step(clock: Clock) -> Any:
        return model.train_step(Batch(to_model_range(epochs.next()).expand(-1, 3, -1, -1)), clock)

    return step


def reader(size: int, feed: Feed) -> Callable[[Clock], Any]:
    """Batches alone, converted as for a model."""
    epochs = Epochs(feed, size)
    return lambda clock: {"": to_model_range(epochs.next())[0, 0, 0, 0]}


class Dropping(Rounds):
    """Rounds, a file being dropped from the page cache before each: it is read from the disk."""

    def __init__(self, take: Callable[[Clock], Any], steps: int, path: Path) -> None:
        super().__init__(take, steps)
        self.path = path

    def run(self) -> None:
        with self.path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        super().run()


def compare(path: Path, held: int | None, model: str, batch: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step, and of reading a batch, of images in memory, in the page cache and on the disk."""
    # One for all sides: two equal ones differ by several percent, by where in memory they lie.
    made = make_model(model)
    resident, streamed = Resident([Stack(opened(path).stored[:held])], CPU), Streamed([opened(path)], CPU)
    found = {}
    for what, make, steps in (
        ("step", lambda feed: trainer(made, batch, feed), 2),
        ("batch", lambda feed: reader(batch, feed), READ),
    ):
        sides = [
            Rounds(make(resident), steps),
            Rounds(make(streamed), steps),
            Dropping(make(streamed), steps, path),
        ]
        interleave(sides, repeats, 300)
        memory, warm, cold = (side.seconds for side in sides)
        own, other = (side.cpu_seconds for side in sides[:2])
        found[what] = {
            "resident_seconds": spread(memory),
            "streamed_seconds": spread(warm),
            "ratio": spread([b / a for a, b in zip(memory, warm, strict=True)]),
            "work_ratio": spread([b / a for a, b in zip(own, other, strict=True)]),
            "cold_seconds": spread(cold),
            "cold_ratio": spread([b / a for a, b in zip(memory, cold, strict=True)]),
        }
        print(what, found[what], flush=True)
    return found


def memory_of_a_stream(file: str, model: str, batch: int, most: int, steps: int) -> dict[str, Any]:
    """What a process that streams has in memory: the most ever, and what it is of."""
    feed = make_feed([opened(Path(file))], CPU, most)
    before = memory_mib()
    step = trainer(make_model(model), batch, feed)
    seen, seconds = [], []
    for number in range(steps):
        started = time.perf_counter()
        step(Clock(number, 1, 2))
        seconds.append(time.perf_counter() - started)
        seen.append(memory_mib())
    return {
        "streamed": isinstance(feed, Streamed),
        "before": before,
        "peak": {name: max(one[name] for one in seen) for name in before},
        "seconds": statistics.median(seconds),
    }


def memory_mib() -> dict[str, float]:
    """Resident memory of this process: in all, its own, and pages of files, libraries among them."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon", "RssFile")}


def page(numbers: dict[str, Any]) -> str:
    """All of it in Markdown."""
    memory, most = numbers["memory"], numbers["most"] / 2**20
    peak, step = memory["peak"], numbers["step"]
    fits = peak["VmRSS"] <= most + WANTED["mib"]
    wanted = [
        ("a step takes 5 % longer at most, from the page cache", verdict(step["ratio"])),
        ("and no more of the processor than that", verdict(step["work_ratio"])),
        ("nor longer from the disk", verdict(step["cold_ratio"])),
        (
            f"the process takes less than the {most:.0f} MiB that images may take, and 600 MiB",
            "yes" if fits else "**no**",
        ),
    ]
    parts = [
        "# Sets larger than memory, measured",
        f"Made by `python benchmarks/streaming.py --images {numbers['images']} --held {numbers['held']}`. "
        f"{_report.machine_words('cpu')}",
        f"{numbers['images']:,} random images of {SIDE} px, {numbers['bytes'] / 1e9:.1f} GB on the disk, "
        f"{numbers['held']:,} of them held by the side in memory; "
        f"steps of `{numbers['model']}` in batches of {numbers['batch_size']}, and batches alone, in turn in "
        "one process: medians, and quartiles of the ratio to images in memory. *From the disk*: the file was "
        "dropped from the page cache before each round.",
        _report.table(
            HEAD,
            [row(what, numbers[what]) for what in ("step", "batch")],
        ),
        f"A process that only streams, at most after each of its steps: {peak['VmRSS']:.0f} MiB resident, "
        f"{peak['RssAnon']:.0f} MiB of its own and {peak['RssFile']:.0f} MiB of files, libraries among them; "
        f"{memory['before']['VmRSS']:.0f} MiB before it made its networks.",
        _report.table(["wanted", "reached"], wanted),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(ratio: dict[str, float]) -> str:
    """Whether a ratio is what is wanted, as far as its spread lets that be said."""
    if ratio["median"] <= WANTED["ratio"]:
        return "yes"
    return "no, within the spread" if ratio["low"] <= WANTED["ratio"] else "**no**"


def row(what: str, found: dict[str, Any]) -> list[object]:
    def ratio(name: str) -> str:
        one = found[name]
        return f"{one['median']:.3f} ({one['low']:.3f} to {one['high']:.3f})"

    resident, streamed, cold = (
        f"{1000 * found[f'{name}_seconds']['median']:.2f}" for name in ("resident", "streamed", "cold")
    )
    times, work, slow = (ratio(name) for name in ("ratio", "work_ratio", "cold_ratio"))
    return [what, resident, streamed, times, work, cold, slow, found["ratio"]["n"]]


if __name__ == "__main__":
    main()
