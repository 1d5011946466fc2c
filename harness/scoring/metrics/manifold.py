"""Fidelity, diversity and memorisation, all read from nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError
from .copying import Known, Null, known_and_null, spread
from .neighbours import nearest, tiles

_K_PRECISION = 3
_K_DENSITY = 5
_LEAST_EXCESS = 0.05  # a twentieth of the samples, before anything is said of copying


class RealManifold(NamedTuple):
    """The real images among themselves.

    Attributes:
        centre: float64 (d,), what all features are shifted by.
        radii: float64 (N, 5), distances of each to its 1st to 5th nearest other.
        known: Their features, shifted, and the nearest stranger of each.
        null: How near images of new patients are.
    """

    centre: NDArray[np.float64]
    radii: Tensor
    known: Known
    null: Null

    @classmethod
    def of(cls, train: Population, held_out: Population | None = None) -> RealManifold:
        """Look among real features, float64 (N, d).

        Raises:
            ScoreError: Fewer than 6: some would have no fifth neighbour.
        """
        _check_count("real", train.values)
        # Distances don't see a common shift, and rounding is smaller the shorter the vectors are.
        centre = train.values.mean(0)
        shifted = [
            None if side is None else side._replace(values=side.values - centre) for side in (train, held_out)
        ]
        assert shifted[0] is not None
        known, null = known_and_null(shifted[0], shifted[1])
        return cls(centre, nearest(known.features, _K_DENSITY), known, null)


class Manifold(Metric[RealManifold]):
    """How samples lie among real images, by nearest neighbours in one feature space.

    The ball of an image reaches to its k-th nearest image of the same set; its surface belongs to it.

    - ``precision``: share of samples inside the ball (k = 3) of at least one real image. Fidelity.
    - ``recall``: share of real images inside the ball (k = 3) of at least one sample. Diversity.
    - ``density``: mean number of real balls (k = 5) around a sample, over k. Fidelity that one outlying
      real image can't raise; about 1 for equal distributions, more is possible.
    - ``coverage``: share of real balls (k = 5) that hold at least one sample. Diversity.
    - ``copy_excess``: by how much ``copy_rate`` is above ``copy_rate_null``, 0 where it is not: to copy less
      than new patients seem to is no merit. ``copy_excess_se`` is its standard error where nothing is copied.
    - ``copy_rate``: share of samples nearer to some training image than 95 % of the images of new patients
      are, nearness being the distance over that from the training image to the nearest image of *another
      patient*. New are the held-out patients, else one half of the training patients to the other.
      ``copy_rate_null`` is their own rate, about 0.05.
    - ``authpct``: per cent of samples farther from their nearest training image than the nearest image of
      another patient is from that one.

    Sources: Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models";
    Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models"; Alaa et al. 2022,
    "How faithful is your synthetic data?", in the form of Stein et al. 2023, "Exposing flaws of generative
    model evaluation metrics", with other patients in place of other images.

    Args:
        space: Name of the feature space.
        suffix: Appended to every score's name, to carry the space.
    """

    version: ClassVar[int] = 3
    minimum = _K_DENSITY + 1

    def __init__(self, space: str, suffix: str = "") -> None:
        self.needs = space
        self.suffix = suffix
        goals: dict[str, Goal] = dict.fromkeys(("precision", "recall", "density", "coverage"), "higher")
        goals["copy_excess"] = "lower"
        self.goals = {f"{name}{suffix}": goal for name, goal in goals.items()}

    def reference(self, train: Population, held_out: Population | None) -> RealManifold:
        """The real images among themselves."""
        return RealManifold.of(train, held_out)

    def compute(
        self, reference: RealManifold, generated: Population, device: torch.device
    ) -> dict[str, float]:
        """All scores: shares, but for ``density`` (from 0) and ``authpct`` (0 to 100)."""
        values = neighbour_scores(reference, generated.values, device)
        return {f"{name}{self.suffix}": value for name, value in values.items()}

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """A word where more samples look copied than chance gives to images of new patients."""
        excess, error, rate, null = (
            scores[f"{name}{self.suffix}"]
            for name in ("copy_excess", "copy_excess_se", "copy_rate", "copy_rate_null")
        )
        if excess <= max(_LEAST_EXCESS, 3 * error):
            return []
        return [
            f"{rate:.0%} of the samples are so near to training images as only {null:.0%} of the images of "
            f"new patients are (copy_rate{self.suffix}): possible copying of training images"
        ]


def neighbour_scores(
    real: RealManifold, generated: NDArray[np.float64], device: torch.device
) -> dict[str, float]:
    """The scores that ``Manifold`` describes, of float64 (M, d) features.

    Raises:
        ScoreError: Fewer than 6: some would have no fifth neighbour.
    """
    _check_count("generated", generated)
    known, radii = real.known.to(device), real.radii.to(device)
    x, y = known.features, torch.from_numpy(generated - real.centre).to(device)
    real_wide, real_wider = radii[:, _K_PRECISION - 1], radii[:, _K_DENSITY - 1]
    generated_wide = nearest(y, _K_PRECISION)[:, -1]

    precise, recalled, covered = (
        torch.zeros(len(side), dtype=torch.bool, device=device) for side in (y, x, x)
    )
    inside = 0
    for rows, columns, distances in tiles(y, x):
        precise[rows] |= (distances <= real_wide[columns]).any(1)
        recalled[columns] |= (distances <= generated_wide[rows, None]).any(0)
        in_wider = distances <= real_wider[columns]
        inside += int(in_wider.sum())
        covered[columns] |= in_wider.any(0)
    near = known.near(y)
    null = real.null
    rate = _share(near.ratio <= null.threshold)
    # Samples of one nearest image are one finding: a collapsed generator did not copy so many times.
    by_chance = spread(null.rate, near.closest.cpu().numpy())
    return {
        "precision": _share(precise),
        "recall": _share(recalled),
        "density": inside / (_K_DENSITY * len(y)),
        "coverage": _share(covered),
        "authpct": 100 * _share(near.is_new),
        "copy_excess": max(0.0, rate - null.rate),
        "copy_excess_se": float(np.hypot(by_chance, null.error)),
        "copy_rate": rate,
        "copy_rate_null": null.rate,
    }


def _check_count(side: str, features: NDArray[np.float64]) -> None:
    if len(features) <= _K_DENSITY:
        raise ScoreError(f"{len(features)} {side} image(s)", needed=f"at least {_K_DENSITY + 1}")


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())
