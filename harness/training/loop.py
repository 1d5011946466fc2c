"""The one training loop.

A step takes its batch as uint8 from wherever the images lie (``harness.training.feed``), converts and
augments it on the device, and calls the model. Nothing in a step waits for the device: losses are read
every ``LOG_EVERY`` steps.

A training can be cut anywhere. Which images a step sees is a function of (seed, epoch) alone, everything
else that a step depends on is in the checkpoint, so on a CPU a resumed run ends with the same bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import Batch, Clock, Goal, Model, Run
from ..cell.logs import log_digest
from ..cell.records import RunFolder
from ..cell.spec import RunSpec
from ..errors import CheckpointError, Diverged, Interrupted
from ..files import leave_aside, move_aside
from ..freed_memory import kept_memory
from .arithmetic import arithmetic
from .augmentation import compose
from .checkpoints import load_state, restore_networks, save_networks, save_state
from .compilation import begin_step, compile_networks
from .feed import Feed
from .log import Log
from .loss_check import check_losses
from .observers import Observers
from .random_state import random_state, set_random_state

LOG_EVERY = 10
"""Steps between two looks at the losses."""
CHECKPOINT_SECONDS = 60.0
"""Longest work, in seconds of training, that a kill can undo."""


@dataclass
class TrainingProgress:
    """Where a training stands: the part of a checkpoint that is no tensor.

    Attributes:
        best_networks: Digest of the networks that scored best (``checkpoints.save_networks``).
        awaits_evaluation: Whether an evaluation is due that was cut.
        longest_evaluation: Seconds of the longest one.
        log: Digest of the log at this step.
    """

    step: int = 0
    best_epoch: int | None = None
    best_networks: str | None = None
    best: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    awaits_evaluation: bool = False
    longest_evaluation: float = 0.0
    log: str | None = None


class Trainer:
    """Trains one model on one image set.

    Args:
        model: On its device, freshly made.
        feed: What there is of the real images, for the same device.
        show: From a batch of the feed to what a model sees of them, float32 (n, C, H, W) in [-1, 1] each.
        spec: The cell.
        folder: Where its checkpoint and its best networks go.
        evaluate: Scores the model as it stands.
        select: Name of the score that tells the best evaluation, and whether lower is better.
    """

    def __init__(
        self,
        model: Model,
        feed: Feed,
        show: Callable[[Sequence[Tensor]], Sequence[Tensor]],
        spec: RunSpec,
        folder: RunFolder,
        evaluate: Callable[[], dict[str, float]],
        select: tuple[str, Goal],
    ) -> None:
        self.model = model
        self.feed, self.show = feed, show
        self.spec = spec
        self.folder = folder
        self.evaluate = evaluate
        self.select, self.goal = select
        self.progress = TrainingProgress()
        batch_size = min(spec.protocol.batch_size, feed.count)
        self.run = Run(
            model=spec.model.name,
            dataset=spec.dataset.label,
            resolution=spec.resolution,
            seed=spec.seed,
            settings=spec.settings,
            identity=spec.identity,
            folder=folder.path,
            epochs=spec.protocol.epochs,
            batch_size=batch_size,
            steps_per_epoch=feed.count // batch_size,
        )
        self.log = Log(folder.log)
        self._augment = compose(model.augmentations, spec.protocol.shift_reach)
        self.compiled = False
        self._saved = time.monotonic()
        self._saved_step: int | None = None
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the training happens."""
        return self.feed.device

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
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder.checkpoint} does not fit the model: {error}",
                needed="a checkpoint of the same version of the plugin",
                hint=f"{move_aside(self.folder.path)}, and the same command trains from the start",
            ) from error
        set_random_state(state["random"], self.device)
        self.progress = TrainingProgress(**state["progress"])
        self._saved_step = self.progress.step
        if self.progress.best_networks is not None:
            restore_networks(self.folder.best, self.progress.best_networks)
        if complaints and os.path.lexists(self.folder.checkpoint):
            # Or the next checkpoint would put it in the place of the one that is good.
            complaints = [f"left aside as {leave_aside(self.folder.checkpoint).name}: {complaints[0]}"]
        self.run = replace(self.run, first_step=self.progress.step, notes=tuple(complaints))

    def compile(self) -> None:
        """Compile the networks; where that can't be done, a note says why and they stay as they are."""
        problem = compile_networks(self.model, self.run.batch_size, self.device)
        self.compiled = problem is None
        if problem is not None:
            self.run = replace(self.run, notes=(*self.run.notes, problem))

    def fit(self, observers: Observers, stop: Callable[[], bool]) -> None:
        """Train to the end of the schedule, from wherever ``progress`` stands.

        Args:
            observers: Told about losses and evaluations.
            stop: Asked before every step; evaluations look up too (``harness.interrupting``).

        Raises:
            Interrupted: ``stop`` said so; the state is saved.
            Diverged: A loss or a sample is not finite.
        """
        self.log.cut_back(self.progress.step)
        if self.progress.log not in (None, log_digest(self.folder.log)):
            problem = f"{self.folder.log} is damaged: lines of it are lost or changed"
            self.run = replace(self.run, notes=(*self.run.notes, problem))
        observers.run_started(self.run)
        self.model.train()
        try:
            # A device of its own keeps its own memory.
            with kept_memory() if self.device.type == "cpu" else nullcontext():
                self._fit(observers, stop)
        finally:
            self.log.close()

    def _fit(self, observers: Observers, stop: Callable[[], bool]) -> None:
        protocol = self.spec.protocol
        while self.progress.step < self.run.total_steps or self.progress.awaits_evaluation:
            if not self.progress.awaits_evaluation:
                with arithmetic(protocol.precision, self.device):
                    self._train_epoch(observers, stop)
            clock = self.clock
            if clock.epoch % protocol.evaluate_every == 0 or clock.epoch == protocol.epochs:
                self._evaluate(observers, clock)

    def save(self, random: Mapping[str, Tensor] | None = None) -> None:
        """Write a checkpoint with everything that going on needs.

        Args:
            random: State of the random numbers to go on from; None for the present one.
        """
        self._saved, self._saved_step = time.monotonic(), self.progress.step
        self.progress.log = log_digest(self.folder.log)
        state = {
            "model": self.model.state_dict(),
            "optimizers": {name: opt.state_dict() for name, opt in self.model.optimizers().items()},
            "random": random_state(self.device) if random is None else random,
            "progress": asdict(self.progress),
        }
        save_state(self.folder.checkpoint, self.spec.identity, state)

    @property
    def clock(self) -> Clock:
        """Where the training stands."""
        return self._clock_at(self.progress.step)

    @property
    def last_clock(self) -> Clock:
        """What the last step was told."""
        return self._clock_at(max(self.progress.step - 1, 0))

    def _clock_at(self, step: int) -> Clock:
        return Clock(step, step // self.run.steps_per_epoch, self.run.epochs)

    def _train_epoch(self, observers: Observers, stop: Callable[[], bool]) -> None:
        """Train what is left of the epoch that ``progress`` stands in."""
        epoch, first = divmod(self.progress.step, self.run.steps_per_epoch)
        size, steps = self.run.batch_size, self.run.steps_per_epoch
        before = self.progress.train_seconds
        started = time.monotonic()
        with closing(self.feed.batches(self._order(epoch)[first * size : steps * size], size)) as batches:
            for number in range(first, steps):
                clock = self.clock
                self.progress.train_seconds = before + time.monotonic() - started
                if stop():
                    # Whoever sees a new checkpoint may believe that the training got further.
                    if self.progress.step != self._saved_step:
                        self.save()
                    raise Interrupted(clock.step)
                if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                    self.save()
                losses = self._step(next(batches), clock)
                self.progress.step += 1
                if self.progress.step % LOG_EVERY == 0 or number == steps - 1:
                    values = self._read(losses)
                    self.log.losses(self.clock, values)
                    observers.step(self.run, self.clock, values)
        self.progress.train_seconds = before + time.monotonic() - started

    def _order(self, epoch: int) -> NDArray[np.intp]:
        """The epoch's permutation: a function of (seed, epoch), so that resuming needs no history."""
        return np.random.default_rng([self.spec.seed, epoch]).permutation(self.feed.count)

    def _step(self, stored: Sequence[Tensor], clock: Clock) -> dict[str, Tensor]:
        shown = self.show(stored)
        if self.compiled:
            begin_step(self.device)
        losses = self.model.train_step(Batch(*self._augment(*shown)), clock)
        check_losses(self.model.registered_name, losses)
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

    def _evaluate(self, observers: Observers, clock: Clock) -> None:
        started, progress = time.monotonic(), self.progress
        random = random_state(self.device)
        try:
            scores = self.evaluate()
        except Interrupted:
            if progress.step != self._saved_step:
                progress.awaits_evaluation = True
                self.save(random)
            raise Interrupted(progress.step) from None
        progress.awaits_evaluation = False
        seconds = time.monotonic() - started
        progress.score_seconds += seconds
        progress.longest_evaluation = max(progress.longest_evaluation, seconds)
        progress.last = scores
        if not progress.best or self._is_better(scores[self.select], progress.best[self.select]):
            progress.best, progress.best_epoch = scores, clock.epoch
            # Before the checkpoint that speaks of it: killed in between, the same epoch is scored again
            # from the older checkpoint and the same file is written again.
            progress.best_networks = save_networks(
                self.folder.best, self.model.state_dict(), identity=self.spec.identity, epoch=clock.epoch
            )
        # Before the checkpoint, too: a line too many is dropped when a run resumes, a missing one is lost.
        self.log.scores(clock, scores)
        self.save()
        observers.evaluated(self.run, clock, scores)

    def _is_better(self, score: float, than: float) -> bool:
        return score < than if self.goal == "lower" else score > than
