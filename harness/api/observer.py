"""What an observer is told about the cell that it watches.

An observer implements any of the hooks ``bench_run_started``, ``bench_step``, ``bench_evaluated`` and
``bench_run_finished`` (``harness.hookspecs``). What it raises is told once, and the cell goes on without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One cell on its way.

    Attributes:
        model: Name of the model.
        dataset: Name of the data set, with its pair of modalities where it has one.
        resolution: Side of the images, in pixels.
        seed: Seed of weights, batch order and augmentation.
        settings: Every setting by the name that sets it.
        identity: sha256 of all that changes the result.
        folder: The run folder.
        epochs: Length of the whole training.
        batch_size: Images a step.
        steps_per_epoch: Steps an epoch; images that don't fill a last batch wait for the next epoch.
        first_step: Where this process begins: 0, or the step that was resumed.
        notes: What a user should know of how it began, such as a damaged checkpoint left aside.
    """

    model: str
    dataset: str
    resolution: int
    seed: int
    settings: Mapping[str, Any]
    identity: str
    folder: Path
    epochs: int
    batch_size: int
    steps_per_epoch: int
    first_step: int = 0
    notes: tuple[str, ...] = ()

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.epochs
