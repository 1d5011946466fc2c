"""The scorer of a protocol: its metrics, the feature spaces that they need, and the real images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..api import Population
from ..data.image_set import ImageSet
from ..scoring.scorer import Scorer
from ..scoring.selection import make_metrics
from ..scoring.weights import Weights


@dataclass(frozen=True)
class ScoringPlace:
    """Where and with what scores are computed: nothing here changes one.

    Attributes:
        device: Where feature networks run.
        cache: Cache folder: features of real images, downloaded weights.
        weights: Where feature networks' weights are found.
        tell: Told what the user should know and nothing stops for.
    """

    device: torch.device
    cache: Path
    weights: Weights
    tell: Callable[[str], None] = field(default=warnings.warn)


def make_scorer(
    metrics: Iterable[str], train: Population, held_out: Population | None, place: ScoringPlace
) -> Scorer:
    """A scorer of these metrics, by name, against these real images.

    Raises:
        SpecError: No such metric, or two that claim one score.
    """
    made, spaces = make_metrics(metrics, place.weights)
    return Scorer(made, spaces, train, held_out, device=place.device, cache=place.cache / "features")


def population(images: ImageSet, channels: int) -> Population:
    """Real images with as many channels as a model makes, without copying them: grey ones may get three."""
    values: NDArray[np.uint8] = np.broadcast_to(
        images.images, (len(images), channels, images.resolution, images.resolution)
    )
    return Population(values, images.patients, labels=images.labels, structures=images.structures)
