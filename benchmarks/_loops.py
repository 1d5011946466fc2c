"""The product's training loop beside the plain one, on the same images."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from plain import PLAIN, PlainLoop
from plain.loop import PNGFolder
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from harness.api import Batch, Clock, ImageShape, Model
from harness.cell.protocol import Protocol
from harness.data.pixels import to_model_range
from harness.plugins import Registry
from harness.scoring.generated import load_images
from harness.training.arithmetic import arithmetic
from harness.training.augmentation import compose
from harness.training.compilation import begin_step, compile_networks

#: All stages have begun: HAGAN mixes and augments, half of UNetGAN's steps are mixed.
EPOCH = 1000

#: Steps after which all kinds of steps have been seen: the critic's and the generator's, mixed or not.
PERIOD = {"wgan": 5, "unetgan": 2}

BATCH = {64: 32, 256: 2}

#: Rounds of each side, however long they take: single ones differ by a third on a shared machine.
FEWEST = 8

#: Rounds before them that don't count: memory is touched for the first time.
WARM_UP = 2


class Loop:
    """The product's loop: images on the device as uint8, losses read once a round."""

    def __init__(self, model: Model, folder: Path, batch_size: int, device: torch.device) -> None:
        self.model = model
        self.images = torch.from_numpy(load_images(folder)).to(device)
        self.batch_size = batch_size
        self.augment = compose(model.augmentations, Protocol().shift_reach)
        self.compiled = False
        self.order = iter(())

    def compile(self) -> str | None:
        """Compile the networks, or say why not."""
        problem = compile_networks(self.model, self.batch_size, self.images.device)
        self.compiled = problem is None
        return problem

    def take(self, clock: Clock) -> dict[str, Tensor]:
        """One step."""
        chosen = next(self.order, None)
        if chosen is None:
            order = torch.randperm(len(self.images), device=self.images.device)
            self.order = iter(order[: len(order) // self.batch_size * self.batch_size].split(self.batch_size))
            chosen = next(self.order)
        images = to_model_range(self.images[chosen]).expand(-1, self.model.shape.channels, -1, -1)
        if self.compiled:
            begin_step(self.images.device)
        return self.model.train_step(Batch(*self.augment(images)), clock)


def make_loop(name: str, side: int, folder: Path, device: torch.device, **settings: Any) -> Loop:
    """A model's loop in its default settings."""
    torch.manual_seed(0)
    kind = Registry().load("models", name)
    model = kind(ImageShape(3, side, side), kind.Config(**settings)).to(device).train()
    return Loop(model, folder, BATCH[side], device)


def make_plain(name: str, loop: Loop, folder: Path) -> PlainLoop:
    """The plain loop of the same model, from the same weights."""
    model, device = loop.model, loop.images.device
    images = PNGFolder(folder, model.shape.channels, model.augmentations)
    return PlainLoop(PLAIN[name](model), images, loop.batch_size, device)


class Rounds:
    """Times rounds of steps of one loop; a round ends when its last loss has been read."""

    def __init__(self, take: Callable[[Clock], Any], steps: int) -> None:
        self.take = take
        self.steps = steps
        self.done = 0
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def run(self) -> None:
        """One more round."""
        started, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            losses = self.take(Clock(self.done, EPOCH, 2 * EPOCH))
            self.done += 1
        for loss in losses.values():
            float(loss)
        self.seconds.append((time.perf_counter() - started) / self.steps)
        self.cpu_seconds.append((time.process_time() - cpu) / self.steps)

    def forget(self) -> None:
        """Begin to count."""
        self.seconds.clear()
        self.cpu_seconds.clear()


def interleave(sides: Sequence[Any], repeats: int, seconds: float) -> None:
    """Run rounds of all sides in turn, until there are ``repeats`` or time is up, but ``FEWEST`` at least.

    A side has what ``Rounds`` has. The first ``WARM_UP`` rounds of each are left out.
    """
    started = time.perf_counter()
    for side in sides * WARM_UP:
        side.run()
    for side in sides:
        side.forget()
    while (done := len(sides[0].seconds)) < repeats:
        if done >= FEWEST and time.perf_counter() - started > seconds:
            break
        for side in sides if done % 2 else reversed(sides):
            side.run()


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return {"median": values[0], "low": values[0], "high": values[0], "n": len(values)}
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "low": low, "high": high, "n": len(values)}


def allocate_states(optimizers: list[torch.optim.Optimizer]) -> None:
    """Let optimisers make their states by a step without a gradient, as if they had stepped before."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def peak_mib(device: torch.device) -> float:
    """The most memory so far: of the process on a CPU, of the allocator on CUDA."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flops_of(loop: Loop, steps: int) -> float:
    """Operations of a step, a multiplication and an addition each counted, averaged over a period."""
    with FlopCounterMode(display=False) as counter:
        for step in range(steps):
            loop.take(Clock(step, EPOCH, 2 * EPOCH))
    return counter.get_total_flops() / steps


def matmul_flops(device: torch.device, precision: str) -> float:
    """Operations a second of a large product of matrices: what the device really gives."""
    side = 8192 if device.type == "cuda" else 1024
    with arithmetic(precision, device):
        left, right = torch.randn(2, side, side, device=device)
        rounds = Rounds(lambda clock: {"": (left @ right)[0, 0]}, 10)
        interleave([rounds], 5, 20)
    return 2 * side**3 / min(rounds.seconds)
