"""The one training loop.

The whole set lies on the device as uint8; a step gathers its batch, converts and augments it there, and
calls the model. Nothing in a step waits for the device: losses are read every ``LOG_EVERY`` steps.

A training can be cut anywhere. Which images a step sees is a function of (seed, epoch) alone, everything
else that a step depends on is in the checkpoint, so on a CPU a resumed run ends with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..api import Batch, Clock, Goal, Model
from ..cell.records import RunFolder
from ..cell.spec import RunSpec
from ..data.pixels import to_model_range
from ..errors import CheckpointError, Diverged
from .arithmetic import arithmetic
from .augmentation import compose
from .checkpoints import load_state, save_networks, save_state
from .compilation import begin_step, compile_networks

LOG_EVERY = 10
"""Steps between two looks at the losses."""
CHECKPOINT_SECONDS = 60.0
"""Longest work, in seconds of training, that a kill can undo."""


class Interrupted(Exception):
    """Training was asked to stop, and saved its state first."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock


@dataclass(frozen=True)
class Run:
    """What observers are told about the cell they watch.

    Attributes:
        spec: The resolved cell.
        folder: Its files.
        batch_size: Images a step.
        steps_per_epoch: Steps an epoch; images that don't fill a last batch wait for the next epoch.
        first_step: Where this process begins: 0, or the step that was resumed.
        notes: What a user should know of how it began, such as a damaged checkpoint left aside.
    """

    spec: RunSpec
    folder: RunFolder
    batch_size: int
    steps_per_epoch: int
    first_step: int = 0
    notes: tuple[str, ...] = ()

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.spec.protocol.epochs


@dataclass
class TrainingProgress:
    """Where a training stands: the part of a checkpoint that is no tensor."""

    step: int = 0
    best_epoch: int | None = None
    best: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    train_seconds: float = 0.0
    score_seconds: float = 0.0


class Trainer:
    """Trains one model on one image set.

    Args:
        model: On its device, freshly made.
        pictures: uint8 (N, 1, H, W) each, on the same device: the images, and for pairs their sources.
        spec: The cell.
        folder: Where its checkpoint and its best networks go.
        evaluate: Scores the model as it stands.
        select: Name of the score that tells the best evaluation, and whether lower is better.
    """

    def __init__(
        self,
        model: Model,
        pictures: Sequence[Tensor],
        spec: RunSpec,
        folder: RunFolder,
        evaluate: Callable[[], dict[str, float]],
        select: tuple[str, Goal],
    ) -> None:
        self.model = model
        self.pictures = pictures
        self.spec = spec
        self.folder = folder
        self.evaluate = evaluate
        self.select, self.goal = select
        self.progress = TrainingProgress()
        self.count = len(pictures[0])
        batch_size = min(spec.protocol.batch_size, self.count)
        self.run = Run(spec, folder, batch_size, self.count // batch_size)
        self._augment = compose(model.augmentations)
        self.compiled = False
        self._saved = time.monotonic()
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the training happens."""
        return self.pictures[0].device

    def resume(self) -> None:
        """Go back to the last good checkpoint, where there is one.

        Raises:
            CheckpointError: There are checkpoints and none can be used.
        """
        state, complaints = load_state(self.folder.checkpoint, self.spec.identity)
        if state is None:
            return
        try:
            self.model.load_state_dict(state["model"])
            for name, optimizer in self.model.optimizers().items():
                optimizer.load_state_dict(state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder.checkpoint} does not fit the model: {error}",
                needed="a checkpoint of the same version of the plugin",
                hint=f"rm {self.folder.checkpoint} to train from the start",
            ) from error
        _set_random_state(state["random"], self.device)
        self.progress = TrainingProgress(**state["progress"])
        notes = tuple(f"left aside: {complaint}" for complaint in complaints)
        self.run = Run(
            self.spec, self.folder, self.run.batch_size, self.run.steps_per_epoch, self.progress.step, notes
        )

    def compile(self) -> None:
        """Compile the networks; where that can't be done, a note says why and they stay as they are."""
        problem = compile_networks(self.model, self.run.batch_size, self.device)
        self.compiled = problem is None
        if problem is not None:
            self.run = replace(self.run, notes=(*self.run.notes, problem))

    def fit(self, observers: Any, stop: Callable[[], bool]) -> None:
        """Train to the end of the schedule, from wherever ``progress`` stands.

        Args:
            observers: Called as ``bench_step`` and ``bench_evaluated``.
            stop: Asked before every step.

        Raises:
            Interrupted: ``stop`` said so; the state is saved.
            Diverged: A loss or a sample is not finite.
        """
        protocol = self.spec.protocol
        self.model.train()
        while self.progress.step < self.run.total_steps:
            with arithmetic(protocol.precision, self.device):
                self._train_epoch(observers, stop)
            epoch = self.progress.step // self.run.steps_per_epoch
            if epoch % protocol.evaluate_every == 0 or epoch == protocol.epochs:
                self._evaluate(observers, Clock(self.progress.step, epoch, protocol.epochs))

    def save(self) -> None:
        """Write a checkpoint with everything that going on needs."""
        self._saved = time.monotonic()
        state = {
            "model": self.model.state_dict(),
            "optimizers": {name: opt.state_dict() for name, opt in self.model.optimizers().items()},
            "random": _random_state(self.device),
            "progress": asdict(self.progress),
        }
        save_state(self.folder.checkpoint, self.spec.identity, state)

    @property
    def last_clock(self) -> Clock:
        """The last step that was taken."""
        step = max(self.progress.step - 1, 0)
        return Clock(step, step // self.run.steps_per_epoch, self.spec.protocol.epochs)

    def _train_epoch(self, observers: Any, stop: Callable[[], bool]) -> None:
        """Train what is left of the epoch that ``progress`` stands in."""
        epoch, first = divmod(self.progress.step, self.run.steps_per_epoch)
        order = self._order(epoch)
        before = self.progress.train_seconds
        started = time.monotonic()
        for number in range(first, self.run.steps_per_epoch):
            clock = Clock(self.progress.step, epoch, self.spec.protocol.epochs)
            self.progress.train_seconds = before + time.monotonic() - started
            if stop():
                self.save()
                raise Interrupted(clock)
            if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self.save()
            losses = self._step(order[number * self.run.batch_size :][: self.run.batch_size], clock)
            self.progress.step += 1
            if self.progress.step % LOG_EVERY == 0 or number == self.run.steps_per_epoch - 1:
                observers.bench_step(run=self.run, clock=clock, losses=self._read(losses))
        self.progress.train_seconds = before + time.monotonic() - started

    def _order(self, epoch: int) -> Tensor:
        """The epoch's permutation: a function of (seed, epoch), so that resuming needs no history."""
        order = np.random.default_rng([self.spec.seed, epoch]).permutation(self.count)
        return torch.from_numpy(order).to(self.device)

    def _step(self, chosen: Tensor, clock: Clock) -> dict[str, Tensor]:
        channels = self.model.shape.channels
        shown = [to_model_range(stack[chosen]).expand(-1, channels, -1, -1) for stack in self.pictures]
        if self.compiled:
            begin_step(self.device)
        losses = self.model.train_step(Batch(*self._augment(*shown)), clock)
        self._finite &= torch.stack([loss.float() for loss in losses.values()]).isfinite().all()
        return losses

    def _read(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Fetch the losses, and the flag that all since the last look were finite, in one transfer."""
        *values, finite = torch.stack(
            [*(loss.float() for loss in losses.values()), self._finite.float()]
        ).tolist()
        if not finite:
            raise Diverged(f"a loss is not finite at step {self.progress.step}")
        return dict(zip(losses, values, strict=True))

    def _evaluate(self, observers: Any, clock: Clock) -> None:
        started = time.monotonic()
        scores = self.evaluate()
        progress = self.progress
        progress.score_seconds += time.monotonic() - started
        progress.last = scores
        if not progress.best or self._is_better(scores[self.select], progress.best[self.select]):
            progress.best, progress.best_epoch = scores, clock.epoch
            # Before the checkpoint that speaks of it: killed in between, the same epoch is scored again
            # from the older checkpoint and the same file is written again.
            metadata = {"identity": self.spec.identity, "epoch": str(clock.epoch)}
            save_networks(self.folder.best, self.model.state_dict(), metadata)
        self.save()
        observers.bench_evaluated(run=self.run, clock=clock, scores=scores)

    def _is_better(self, score: float, than: float) -> bool:
        return score < than if self.goal == "lower" else score > than


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
