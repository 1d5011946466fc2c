"""Whether samples are copies of training images: nearer to them than images of new patients are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...api import Population
from .draws import halves, patient_numbers
from .neighbours import nearest_stranger, tiles

_DRAWS = 3
_NULL_RATE = 0.05
# Halves of fewer patients would hold only one, and its images have no stranger.
_FEWEST_PATIENTS = 4


class Nearness(NamedTuple):
    """How near some images are to training images.

    Attributes:
        ratio: float64 (M,), the least over all training images of: distance to it, over the distance from it
            to the nearest image of another patient. Copies are near 0.
        is_new: bool (M,), whether each is farther from its nearest training image than the nearest image of
            another patient is from that one.
        closest: int (M,), its nearest training image.
    """

    ratio: Tensor
    is_new: Tensor
    closest: Tensor


class Known(NamedTuple):
    """Training images, and how near the nearest image of another patient is to each.

    Attributes:
        features: float64 (N, d).
        strangers: float64 (N,), distances.
    """

    features: Tensor
    strangers: Tensor

    @classmethod
    def of(cls, features: Tensor, patients: Tensor) -> Known:
        """Look for the nearest stranger of each image."""
        return cls(features, nearest_stranger(features, patients))

    def near(self, others: Tensor) -> Nearness:
        """How near float64 (M, d) features are."""
        ratio = torch.full_like(others[:, 0], torch.inf)
        distance = ratio.clone()
        closest = torch.zeros(len(others), dtype=torch.long, device=others.device)
        for rows, columns, distances in tiles(others, self.features):
            # The same image is a copy even where a stranger is the same image too.
            ratios = torch.where(distances == 0, 0, distances / self.strangers[columns])
            ratio[rows] = torch.minimum(ratio[rows], ratios.min(1).values)
            here, where = distances.min(1)
            nearer = here < distance[rows]
            closest[rows] = torch.where(nearer, where + columns.start, closest[rows])
            distance[rows] = torch.where(nearer, here, distance[rows])
        return Nearness(ratio, distance > self.strangers[closest], closest)

    def to(self, device: torch.device) -> Known:
        """The same on another device."""
        return Known(self.features.to(device), self.strangers.to(device))


class Null(NamedTuple):
    """How near images of *new patients* are to training images.

    Attributes:
        threshold: The ratio that a twentieth of them stay below.
        rate: The share of them that does.
        error: The standard error of that share, as if all images of a patient agreed.
    """

    threshold: float
    rate: float
    error: float

    @classmethod
    def of(cls, ratios: NDArray[np.float64], patients: NDArray[np.intp]) -> Null:
        """The null of these ratios, for images of these patients."""
        threshold = float(np.quantile(ratios, _NULL_RATE, method="lower"))
        rate = float((ratios <= threshold).mean())
        return cls(threshold, rate, spread(rate, patients))


def known_and_null(train: Population, held_out: Population | None) -> tuple[Known, Null]:
    """The training images, and how near to them images of new patients are.

    New are the held-out patients; without them, one half of the training patients to the other. With fewer
    than four patients every image counts as one of its own: strangers can't be told then.

    Args:
        train: float64 (N, d) features with their patients.
        held_out: The same of other patients, where there are some.
    """
    numbers = patient_numbers(train)
    if numbers.max() + 1 < _FEWEST_PATIENTS:
        train = Population(train.values)
        numbers = patient_numbers(train)
    features, patients = torch.from_numpy(train.values), torch.from_numpy(numbers)
    known = Known.of(features, patients)
    if held_out is not None:
        near = known.near(torch.from_numpy(held_out.values))
        return known, Null.of(near.ratio.numpy(), patient_numbers(held_out))
    ratios, owners = [], []
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        first, second = (torch.from_numpy(part) for part in halves(train, rng))
        for one, other in ((first, second), (second, first)):
            half = Known.of(features[one], patients[one])
            if half.strangers.isfinite().all():  # not where one large patient is a half
                ratios.append(half.near(features[other]).ratio.numpy())
                owners.append(numbers[other.numpy()])
    return known, Null.of(np.concatenate(ratios), np.concatenate(owners))


def spread(rate: float, groups: NDArray[np.intp]) -> float:
    """Standard error of a share, as if all members of a group agreed."""
    sizes = np.bincount(groups)
    return float(np.sqrt(rate * (1 - rate) * np.square(sizes / sizes.sum()).sum()))
