"""Metrics of features that have units: each feature counts by how far it is from what real images have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ...api import Metric, Population, ScoreError
from .kernel import KernelDistance
from .manifold import Manifold


class Scale(NamedTuple):
    """Mean and standard deviation of every feature of the real images.

    Attributes:
        kept: bool (d,), the features that are not the same in all real images.
        mean: float64, of those.
        deviation: float64, of those; over N, not N - 1, as frd-score has it.
    """

    kept: NDArray[np.bool_]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> Scale:
        """The scale of real features, float64 (N, d).

        Raises:
            ScoreError: All real images have the same features.
        """
        values = _single(features)
        kept = values.min(axis=0) != values.max(axis=0)
        if not kept.any():
            raise ScoreError(
                f"{len(features)} real image(s) that all have the same features",
                needed="real images that differ, to have a unit for what generated ones differ by",
            )
        return cls(kept, values[:, kept].mean(axis=0), values[:, kept].std(axis=0))

    def __call__(self, population: Population) -> Population:
        """The same images with features in standard deviations from the mean."""
        values = (_single(population.values)[:, self.kept] - self.mean) / self.deviation
        return population._replace(values=values)


class Scaled(NamedTuple):
    """What a metric keeps of standardised real images, and how to standardise others."""

    scale: Scale
    reference: Any


class Standardised(Metric[Scaled]):
    """Another metric, on features in units of the training images: mean 0, standard deviation 1.

    A feature that is the same in all of them has no unit and is left out, as frd-score leaves it out.

    Args:
        inner: The metric.
    """

    def __init__(self, inner: Metric[Any]) -> None:
        self.inner = inner
        self.needs, self.goals, self.minimum = inner.needs, inner.goals, inner.minimum

    def reference(self, train: Population, held_out: Population | None) -> Scaled:
        """The scale of the training images, and what the metric keeps of real images on it."""
        scale = Scale.of(train.values)
        return Scaled(
            scale, self.inner.reference(scale(train), None if held_out is None else scale(held_out))
        )

    def compute(self, reference: Scaled, generated: Population, device: torch.device) -> dict[str, float]:
        """The scores of the metric."""
        return self.inner.compute(reference.reference, reference.scale(generated), device)

    def context(self, reference: Scaled, generated: Population, device: torch.device) -> dict[str, float]:
        """What the metric says of its scores."""
        return self.inner.context(reference.reference, reference.scale(generated), device)

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """What the metric tells of its scores."""
        return self.inner.caveats(scores, context)


class StandardisedKernel(Standardised):
    """The kernel distance of standardised features; options as for the distance itself."""

    version: ClassVar[int] = KernelDistance.version

    def __init__(self, space: str, score: str) -> None:
        super().__init__(KernelDistance(space, score))


class StandardisedManifold(Standardised):
    """Neighbours among standardised features; options as for ``Manifold``."""

    version: ClassVar[int] = Manifold.version

    def __init__(self, space: str, suffix: str = "") -> None:
        super().__init__(Manifold(space, suffix))


def _single(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What float32 can't tell apart counts as equal, as it does in frd-score."""
    return features.astype(np.float32).astype(np.float64)
