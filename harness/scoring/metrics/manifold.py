"""Fidelity, diversity and memorisation, all read from one pass over nearest neighbours."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError
from .neighbours import nearest, tiles

_K_PRECISION = 3
_K_DENSITY = 5


class RealManifold(NamedTuple):
    """The real images among themselves.

    Attributes:
        centre: float64 (d,), what all features are shifted by.
        features: float64 (N, d), shifted.
        radii: float64 (N, 5), distances of each to its 1st to 5th nearest other.
        held_out_rate: ``copy_rate`` of held-out images; None where there are none.
    """

    centre: NDArray[np.float64]
    features: Tensor
    radii: Tensor
    held_out_rate: float | None = None

    @classmethod
    def of(cls, real: NDArray[np.float64], held_out: NDArray[np.float64] | None = None) -> RealManifold:
        """Look among real features, float64 (N, d).

        Raises:
            ScoreError: Fewer than 6: some would have no fifth neighbour.
        """
        _check_count("real", real)
        # Distances don't see a common shift, and rounding is smaller the shorter the vectors are.
        centre = real.mean(0)
        features = torch.from_numpy(real - centre)
        alone = cls(centre, features, nearest(features, _K_DENSITY))
        return alone if held_out is None else alone._replace(held_out_rate=alone.copy_rate(held_out))

    def copy_rate(self, others: NDArray[np.float64]) -> float:
        """Share of ``others`` at least as near to some image as its own nearest image."""
        y = torch.from_numpy(others - self.centre)
        copied = torch.zeros(len(y), dtype=torch.bool)
        for rows, columns, distances in tiles(y, self.features):
            copied[rows] |= (distances <= self.radii[columns, 0]).any(1)
        return _share(copied)


class Manifold(Metric[RealManifold]):
    """How samples lie among real images, by nearest neighbours in one feature space.

    The ball of an image reaches to its k-th nearest image of the same set; its surface belongs to it.

    - ``precision``: share of samples inside the ball (k = 3) of at least one real image. Fidelity.
    - ``recall``: share of real images inside the ball (k = 3) of at least one sample. Diversity.
    - ``density``: mean number of real balls (k = 5) around a sample, over k. Fidelity that one outlying
      real image can't raise; about 1 for equal distributions, more is possible.
    - ``coverage``: share of real balls (k = 5) that hold at least one sample. Diversity.
    - ``authpct``: per cent of samples farther from their nearest training image than that image is from its
      own nearest training image. Low means copies.
    - ``copy_rate``: share of samples that are at least as near to *some* training image as that image's own
      nearest training image is. ``copy_rate_held_out``, the same of real images of other patients, tells
      what rate is no sign of copying.

    Sources: Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models";
    Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models"; Alaa et al. 2022,
    "How faithful is your synthetic data?", in the form of Stein et al. 2023, "Exposing flaws of generative
    model evaluation metrics".

    Args:
        space: Name of the feature space.
        suffix: Appended to every score's name, to carry the space.
    """

    version: ClassVar[int] = 1
    minimum = _K_DENSITY + 1

    def __init__(self, space: str, suffix: str = "") -> None:
        self.needs = space
        self.suffix = suffix
        goals: dict[str, Goal] = dict.fromkeys(
            ("precision", "recall", "density", "coverage", "authpct"), "higher"
        )
        goals["copy_rate"] = "lower"
        self.goals = {f"{name}{suffix}": goal for name, goal in goals.items()}

    def reference(self, train: Population, held_out: Population | None) -> RealManifold:
        """The real images among themselves."""
        return RealManifold.of(train.values, None if held_out is None else held_out.values)

    def compute(
        self, reference: RealManifold, generated: Population, device: torch.device
    ) -> dict[str, float]:
        """All scores, each between 0 and 1 but for ``density`` (from 0) and ``authpct`` (0 to 100)."""
        values = neighbour_scores(reference, generated.values)
        scores = {f"{name}{self.suffix}": value for name, value in values.items()}
        if reference.held_out_rate is not None:
            scores[f"copy_rate{self.suffix}_held_out"] = reference.held_out_rate
        return scores


def neighbour_scores(real: RealManifold, generated: NDArray[np.float64]) -> dict[str, float]:
    """The scores that ``Manifold`` describes, of float64 (M, d) features.

    Raises:
        ScoreError: Fewer than 6: some would have no fifth neighbour.
    """
    _check_count("generated", generated)
    x, y = real.features, torch.from_numpy(generated - real.centre)
    real_first, real_wide, real_wider = (real.radii[:, k - 1] for k in (1, _K_PRECISION, _K_DENSITY))
    generated_wide = nearest(y, _K_PRECISION)[:, -1]

    precise, copied = torch.zeros(len(y), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    recalled, covered = torch.zeros(len(x), dtype=torch.bool), torch.zeros(len(x), dtype=torch.bool)
    closest, closest_real = torch.full((len(y),), torch.inf).double(), torch.zeros(len(y), dtype=torch.long)
    inside = 0
    for rows, columns, distances in tiles(y, x):
        precise[rows] |= (distances <= real_wide[columns]).any(1)
        recalled[columns] |= (distances <= generated_wide[rows, None]).any(0)
        in_wider = distances <= real_wider[columns]
        inside += int(in_wider.sum())
        covered[columns] |= in_wider.any(0)
        copied[rows] |= (distances <= real_first[columns]).any(1)
        here, where = distances.min(1)
        nearer = here < closest[rows]
        closest_real[rows] = torch.where(nearer, where + columns.start, closest_real[rows])
        closest[rows] = torch.where(nearer, here, closest[rows])
    return {
        "precision": _share(precise),
        "recall": _share(recalled),
        "density": inside / (_K_DENSITY * len(y)),
        "coverage": _share(covered),
        "authpct": 100 * _share(closest > real_first[closest_real]),
        "copy_rate": _share(copied),
    }


def _check_count(side: str, features: NDArray[np.float64]) -> None:
    if len(features) <= _K_DENSITY:
        raise ScoreError(f"{len(features)} {side} image(s)", needed=f"at least {_K_DENSITY + 1}")


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())
