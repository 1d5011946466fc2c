"""What generators of one class each are good for: classifiers learn from them and are tested on patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..cell.records import RunFolder
from ..cell.spec import RunSpec
from ..errors import SpecError
from ..scoring.classification import auc_of_training
from ..scoring.segmentation.learning import Recipe
from ..tasks import Synthesis, Task
from .model import load_model
from .scorers import population


@dataclass(frozen=True)
class ClassUtility:
    """Areas under the curve on held-out images, one for each training seed.

    Attributes:
        real: Of classifiers that learnt from real training images.
        synthetic: Of those that learnt from as many samples of each class as its run makes for its scores.
        both: Of those that learnt from both.
        counts: Training images, samples and test images of each class.
    """

    real: list[float]
    synthetic: list[float]
    both: list[float]
    counts: list[tuple[int, int, int]]

    @property
    def numbers(self) -> dict[str, float]:
        """Means over seeds, ``auc_gap`` (lower is better) and ``auc_gain``."""
        real, synthetic, both = (float(np.mean(one)) for one in (self.real, self.synthetic, self.both))
        return {
            "auc": synthetic,
            "auc_real": real,
            "auc_both": both,
            "auc_gap": real - synthetic,
            "auc_gain": both - real,
        }


def class_utility(
    folders: Sequence[RunFolder], opened: Callable[[RunSpec], Task], recipe: Recipe, device: torch.device
) -> ClassUtility:
    """Train and test classifiers, with a run for each class.

    Args:
        folders: The runs: of one set, resolution and channels, each of another class, with held-out patients.
        opened: Gives the images of a run.
        recipe: How classifiers are trained.
        device: Where.

    Raises:
        SpecError: Fewer than two runs, runs that don't belong together, or nobody held out.
    """
    specs = [folder.read_spec() for folder in folders]
    _check(specs)
    train: list[NDArray[np.uint8]] = []
    made: list[NDArray[np.uint8]] = []
    test: list[NDArray[np.uint8]] = []
    for folder, spec in zip(folders, specs, strict=True):
        task, channels = opened(spec), spec.protocol.channels
        if not isinstance(task, Synthesis) or task.held_out is None:
            raise SpecError(
                f"{spec.folder_name} keeps no patients apart, on whom classifiers could be tested",
                needed="runs that were made with --held-out",
                hint="bench run --held-out",
            )
        model: Any = load_model(folder, device, "best")
        train.append(population(task.train, channels).values)
        test.append(population(task.held_out, channels).values)
        made.append(task.generate(model).images)
    both = [np.concatenate(pair) for pair in zip(train, made, strict=True)]
    real, synthetic, together = (auc_of_training(one, test, recipe, device) for one in (train, made, both))
    counts = [(len(a), len(b), len(c)) for a, b, c in zip(train, made, test, strict=True)]
    return ClassUtility(real, synthetic, together, counts)


def _check(specs: Sequence[RunSpec]) -> None:
    if len(specs) < 2:
        raise SpecError("one class can't be told from itself", needed="a run for each of two classes or more")
    alike = {(one.dataset.name, one.resolution, one.protocol.channels) for one in specs}
    if len(alike) > 1:
        raise SpecError(
            f"{' and '.join(one.folder_name for one in specs)} don't belong together",
            needed="runs of one data set, resolution and number of channels",
        )
    classes = {str(sorted(one.dataset.config.items(), key=str)) for one in specs}
    if len(classes) < len(specs):
        raise SpecError(
            "two of these runs are of the same images",
            needed="each run of another class of the data set",
            hint="--set dataset.label=0 of medmnist, --set 'dataset.include=CLASS/*' of a folder",
        )
