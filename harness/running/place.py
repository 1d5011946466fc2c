"""Where and on what a cell runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..cell.records import Store
from ..scoring.weights import Weights
from .scorers import ScoringPlace


@dataclass(frozen=True)
class Settings:
    """Where and on what a cell runs: nothing here changes its result.

    Attributes:
        results: The store of run folders.
        cache: Folder of prepared image sets, features and weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: Processes that read raw files; None for one per core.
        skip_bad: Leave damaged raw files out, and record them.
        weights: Where feature networks' weights are found.
        compile: Compile the networks for training. Like the device it changes rounding and no mathematics, so
            it is no part of a cell's identity; the record tells.
        device_memory: Bytes that images may take on the device: larger sets stay in their files, and batches
            are read from there, the same to the last bit. None for half of what is free there; on a CPU, half
            of RAM.
        stop: Asked before every step, and between parts of preparation and scoring; True saves a checkpoint
            and raises ``Interrupted``.
        job: The job that this process is of, as its queue calls it; None outside of a queue.
        preparing: Told (items done, items in all) while raw files are read.
        tell: Told, in one sentence each, what the user should know and nothing stops for.
    """

    results: Store
    cache: Path
    device: str = "auto"
    workers: int | None = None
    skip_bad: bool = False
    weights: Weights | None = None
    compile: bool = False
    device_memory: int | None = None
    stop: Callable[[], bool] = field(default=lambda: False)
    job: str | None = None
    preparing: Callable[[int, int], None] | None = None
    tell: Callable[[str], None] = warnings.warn

    def scoring_place(self, device: torch.device) -> ScoringPlace:
        """Where and with what scores are computed."""
        weights = self.weights or Weights(self.cache / "weights")
        return ScoringPlace(device, self.cache, weights, self.tell)
