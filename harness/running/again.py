"""The scores of a finished cell, computed anew from what its run left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..api import Dataset, Model
from ..cell.records import Record, RunFolder
from ..scoring.scorer import Scorer
from ..tasks import Outputs, Task
from ..values import validate
from .environment import pick_device
from .model import load_model
from .place import Settings
from .resolve import ResolvedCell, model_class
from .work import Work

TRIES: int = 6
"""How often samples are rounded otherwise, to learn the tolerance of their scores."""
DEVIATIONS = 4.0
"""The tolerance of a score, in root mean squares of its changes."""
ROUNDED, ROUNDED_ELSEWHERE = 1e-3, 0.1
"""The largest share of pixels that another processor, or another kind of device, rounds to another level.

Seen: oneDNN and torch's own kernels differ in a hundred thousandth of HAGAN's pixels. An estimate: a GPU
convolves in TF32 unless told otherwise, whose 11 bits become a tenth of a grey level after a few layers.
"""
SUMS = 1e-6
"""By how much of its size a score of the very same samples may differ: threads add up in another order."""


@dataclass(frozen=True)
class Rescored:
    """Scores that were computed anew.

    Attributes:
        outputs: What they are of.
        scorer: Who scores it.
        only: By which metrics.
    """

    outputs: Outputs
    scorer: Scorer
    only: Sequence[str]

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """The scores by name."""
        return self.scorer.score(*self.outputs, only=self.only)

    def tolerances(self, share: float) -> Mapping[str, float]:
        """By how much each score may differ where nothing but rounding does.

        A metric that draws pairs or patches draws others as soon as one pixel differs, so rounding moves its
        scores as far as other draws would. How far that is, is found by trying: samples of which a share of
        the pixels is a grey level brighter or darker.
        """
        moved = [self.scorer.score(*one, only=self.only) for one in self._rounded_otherwise(share)]
        return {
            name: max(SUMS * abs(value), DEVIATIONS * _root_mean_square([one[name] - value for one in moved]))
            for name, value in self.scores.items()
        }

    def _rounded_otherwise(self, share: float) -> Iterator[Outputs]:
        images = self.outputs.images
        for seed in range(TRIES if share else 0):
            draws = np.random.default_rng(seed)
            steps = draws.choice([-1, 1], images.shape) * (draws.random(images.shape) < share)
            moved: NDArray[np.uint8] = np.clip(images + steps, 0, 255).astype(np.uint8)
            yield self.outputs._replace(images=moved)


class Again:
    """A finished cell, opened once more. Nothing is written to its folder.

    Args:
        folder: Its run folder.
        record: Its record.
        dataset: Its data set, on the raw files that it had.
        settings: Where and on what it is scored.

    Raises:
        SpecError: Its model is not installed, or takes other settings by now.
        DataError: Its images can't be prepared.
    """

    def __init__(self, folder: RunFolder, record: Record, dataset: Dataset, settings: Settings) -> None:
        kind = model_class(record.spec.model.name)
        config = validate(kind.Config, record.spec.model.config, f"model {record.spec.model.name}")
        cell = ResolvedCell(record.spec, kind, config, dataset)
        self.folder, self.record = folder, record
        self.device = pick_device(settings.device)
        self.work = Work(cell, folder, settings, self.device)
        self.task: Task = self.work.task()

    @property
    def share(self) -> float:
        """The share of pixels that may be rounded otherwise here than where the cell ran."""
        return ROUNDED if self.record.device.get("kind") == self.device.type else ROUNDED_ELSEWHERE

    def networks(self, which: Literal["best", "last"]) -> Model:
        """Networks that the run left.

        Raises:
            SpecError: The model has another version by now.
            CheckpointError: They are missing or damaged.
        """
        return load_model(self.folder, self.device, which)

    def final(self, outputs: Outputs, metrics: Sequence[str]) -> Rescored:
        """The scores of a record.

        Raises:
            ScoreError: Too few images, or of another size.
        """
        return Rescored(outputs, self.work.scorer(metrics, self.task, self.task.train), metrics)

    def selected(self, model: Model) -> Rescored:
        """What the evaluation gave that chose these networks."""
        selecting = [self.record.spec.protocol.selecting_metric]
        scorer = self.work.judge(self.task, self.work.scorer(selecting, self.task, self.task.train))
        return Rescored(self.task.preview(model), scorer, selecting)


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0
