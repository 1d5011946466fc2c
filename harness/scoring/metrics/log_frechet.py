"""The Fréchet radiomics distance: the logarithm of a Fréchet distance of standardised features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from ...api import Population
from .frechet import Frechet
from .standardised import Scaled, Standardised

_NOTHING = 1e-10
"""Rounding of the distance of two sets of a few hundred features of variance 1: less can't be told from 0."""


class LogFrechet(Standardised):
    """The natural logarithm of the squared Fréchet distance, features standardised by the training images.

    In radiomic features it is FRD. Equal sets have no logarithm; they get that of ``1e-10``, about -23.

    Source: Konz, Osuala et al. 2026, "Fréchet radiomic distance (FRD): a versatile metric for comparing
    medical imaging datasets", Medical Image Analysis 110, 103943, as its package frd-score 1.0.1 computes it:
    the paper's Eq. 3 takes the root first and has half of the value.

    Args:
        space: Name of the feature space.
        score: Name of the score, and what its other numbers begin with.
    """

    version: ClassVar[int] = Frechet.version
    # As many as there are radiomic features: with fewer the covariances are singular.
    recommended = 394

    def __init__(self, space: str, score: str) -> None:
        self.distance = Frechet(space, f"exp({score})")
        super().__init__(self.distance)
        self.goals = {score: "lower"}
        self.score = score

    def compute(self, reference: Scaled, generated: Population, device: torch.device) -> dict[str, float]:
        """The distance, e.g. ``{"frd": 5.2}``."""
        return self._logarithms(super().compute(reference, generated, device))

    def context(self, reference: Scaled, generated: Population, device: torch.device) -> dict[str, float]:
        """What ``Frechet`` says of the distance, as logarithms; the names begin with ``frd_``.

        The standard error is that of the logarithm. There is no ``overfit``, which is a difference of
        distances: read ``frd_at_unseen`` against ``frd_unseen`` instead.
        """
        context = super().context(reference, generated, device)
        context.pop(f"{self.distance.score}_overfit", None)
        error = context.pop(f"{self.distance.score}_se", None)
        result = self._logarithms(context)
        distance = super().compute(reference, generated, device)[self.distance.score]
        if error is not None and distance > _NOTHING:  # the logarithm of nothing scatters without bounds
            result[f"{self.score}_se"] = error / distance  # d log x = dx / x
        return result

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """What ``Frechet`` tells of the distance itself, ``exp(frd)``."""
        distances = {
            name.replace(self.score, self.distance.score, 1): value if _is_count(name) else math.exp(value)
            for name, value in context.items()
            if name != f"{self.score}_se"
        }
        return self.distance.caveats({}, distances)

    def _logarithms(self, distances: Mapping[str, float]) -> dict[str, float]:
        return {
            name.replace(self.distance.score, self.score, 1): value
            if _is_count(name)
            else math.log(max(value, _NOTHING))
            for name, value in distances.items()
        }


def _is_count(name: str) -> bool:
    return name.endswith("_n")
