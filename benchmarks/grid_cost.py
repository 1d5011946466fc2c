"""About how long the cells of a grid train on one core, before anybody starts them.

    python benchmarks/grid_cost.py results/covid-ct-32/published.toml --images covid-ct=397 [--steps 8]

takes a few steps of every model as the grid sets it, in the first epoch and in the last, since some models
learn in stages, and makes 32 samples in both ways that a cell does. It prints minutes of the processor by one
thread for the steps of a whole cell, and for its samples at all evaluations and at the end. Preparing images
and computing scores come on top. Pixels are random: no data is needed, only the number of training images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import _report
import torch

from harness.api import Batch, Clock, Model, Synthesizer
from harness.cell.spec import RunRequest
from harness.grid.definition import load_grid
from harness.grid.requests import requests_of
from harness.running.model import make_model
from harness.running.resolve import CompletedRequest, complete

SAMPLES = 32
MINUTE = 60.0


class Cost(NamedTuple):
    """Minutes of one core for a cell."""

    training: float
    sampling: float


def main() -> None:
    parser = _report.arguments(__doc__ or "")
    parser.add_argument("grid", help="a shipped grid, or a TOML file")
    parser.add_argument("--images", action="append", required=True, metavar="DATASET=COUNT")
    parser.add_argument("--steps", type=int, default=8, help="of each kind")
    options = parser.parse_args()
    counts = {name: int(count) for name, _, count in (one.partition("=") for one in options.images)}
    torch.set_num_threads(1)
    grid = load_grid(options.grid)
    rows, total = [], 0.0
    for words, request in cells(options.grid):
        cost = cost_of(complete(request), counts[request.dataset], options.steps)
        total += len(grid.seeds) * sum(cost)
        rows.append([words, f"{cost.training:.1f}", f"{cost.sampling:.1f}"])
        print(" | ".join(rows[-1]), flush=True)
    print(_report.table(["cell", "training (min)", "samples (min)"], rows))
    print(f"\n{len(rows)} cells of each of {len(grid.seeds)} seeds: {total / 60:.1f} hours of a core in all.")


def cells(name: str) -> Iterator[tuple[str, RunRequest]]:
    """The cells of a grid's first seed, with what to call each."""
    grid = load_grid(name)
    for asked in requests_of(grid.narrowed(seeds=grid.seeds[:1])):
        point = asked.point
        words = [point.model, point.dataset, f"{point.resolution} px", asked.row]
        yield ", ".join(filter(None, words)), asked.request


def cost_of(cell: CompletedRequest, images: int, steps: int) -> Cost:
    """What one cell costs; the first step of each kind, which allocates, is not counted."""
    protocol = cell.protocol
    model = make_model(cell.identify(""), cell.model, cell.model_config, torch.device("cpu"))
    shape, batch = model.shape, protocol.batch_size
    pixels = torch.rand(batch, shape.channels, shape.height, shape.width) * 2 - 1
    images_of_a_step = Batch(pixels, source=-pixels)
    a_step = 0.0
    model.train()
    for epoch in (0, protocol.epochs - 1):
        clocks = iter([Clock(step, epoch, protocol.epochs) for step in range(steps + 1)])
        take = partial(_take, model, images_of_a_step, clocks)
        take()
        a_step += seconds(take, steps) / 2
    looks = -(-protocol.epochs // protocol.evaluate_every)
    return Cost(
        a_step * (images // batch) * protocol.epochs / MINUTE,
        sampling(model, images, looks) / MINUTE,
    )


def _take(model: Model, batch: Batch, clocks: Iterator[Clock]) -> None:
    model.train_step(batch, next(clocks))


def sampling(model: Model, images: int, looks: int) -> float:
    """Seconds for the samples of all evaluations, and of the best and the last networks."""
    assert isinstance(model, Synthesizer)
    model.eval()
    seeds = torch.arange(SAMPLES)
    with torch.no_grad():
        preview, sample = (seconds(partial(draw, seeds), 1) for draw in (model.preview, model.sample))
    return (looks * preview + 2 * sample) * images / SAMPLES


def seconds(work: Callable[[], object], times: int) -> float:
    """Of the processor, for one of so many times."""
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


if __name__ == "__main__":
    main()
