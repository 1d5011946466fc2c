"""Kernel Inception distance: unbiased, so it means the same at any number of images."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...api import Metric, Population, ScoreError
from .draws import patient_numbers
from .jackknife import deviation, together

_TILE = 1024


class RealKernel(NamedTuple):
    """The real images among themselves.

    Attributes:
        train: The training images.
        held_out: Those of patients that nobody trained on; None where there are none.
    """

    train: Among
    held_out: Among | None


class KernelDistance(Metric[RealKernel]):
    """Squared maximum mean discrepancy under the kernel (x'y / d + 1)^3, in one feature space.

    The unbiased estimate from all pairs of images but those of one patient, which are more alike than two
    images at random: 0 on average for equal distributions, and slightly negative values are right.
    ``kid_se`` is its standard error, by a jackknife that leaves out one real patient, or one sample, at a
    time. With held-out patients ``kid_held_out`` is the distance to them, and ``kid_overfit`` how much nearer
    the training images are.

    Source: Bińkowski et al. 2018, "Demystifying MMD GANs", section 4; the estimate: Gretton et al. 2012,
    "A kernel two-sample test", Eq. 3. Not multiplied by 1000.

    Args:
        space: Name of the feature space.
        score: Name of the score, and what its other numbers begin with.
    """

    version: ClassVar[int] = 2

    def __init__(self, space: str, score: str) -> None:
        self.needs = space
        self.goals = {score: "lower"}
        self.score = score

    def reference(self, train: Population, held_out: Population | None) -> RealKernel:
        """What pairs of real images have in common."""
        return RealKernel(Among.of(train), None if held_out is None else Among.of(held_out))

    def compute(self, reference: RealKernel, generated: Population, device: torch.device) -> dict[str, float]:
        """The distance and its standard error, e.g. ``{"kid": 0.012, "kid_se": 0.003}``."""
        samples = Among.of(generated, device)
        distance, error = kernel_distance(reference.train, samples)
        scores = {self.score: distance}
        if error is not None:
            scores[f"{self.score}_se"] = error
        if reference.held_out is not None:
            apart, _ = kernel_distance(reference.held_out, samples)
            scores |= {f"{self.score}_held_out": apart, f"{self.score}_overfit": apart - distance}
        return scores


class Among(NamedTuple):
    """One side of a comparison, and the kernel of its images among themselves.

    Attributes:
        features: float64 (N, d).
        patients: int (N,), equal for images of one patient.
        own: float64 (N,), sum of the kernel of each image with those of other patients.
        pairs: float64 (N,), how many these are.
    """

    features: Tensor
    patients: Tensor
    own: Tensor
    pairs: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean of the kernel over all pairs."""
        return self.own.sum() / self.pairs.sum()

    @classmethod
    def of(cls, population: Population, device: torch.device | None = None) -> Among:
        """Compare the features of a population, float64 (N, d), among themselves.

        With a single patient every image counts as one of its own: there is no other to make a pair with.

        Raises:
            ScoreError: A single image: it has no pair.
        """
        if len(population.values) < 2:
            raise ScoreError(
                f"{len(population.values)} image(s) on one side", needed="at least 2 on each side"
            )
        numbers = patient_numbers(population)
        strangers = numbers if numbers.any() else np.arange(len(numbers))
        features = torch.from_numpy(population.values).to(device)
        patients, apart = (torch.from_numpy(each).to(features.device) for each in (numbers, strangers))
        own, everybody = torch.zeros_like(features[:, 0]), torch.arange(len(features), device=features.device)
        for rows in everybody.split(_TILE):
            for columns in everybody.split(_TILE):
                values = _kernel(features[rows], features[columns])
                values[apart[rows][:, None] == apart[columns]] = 0
                own[rows] += values.sum(1)
        pairs = len(features) - torch.bincount(apart)[apart].double()
        return cls(features, patients, own, pairs)

    def to(self, device: torch.device) -> Among:
        """The same on another device."""
        return Among(*(part.to(device) for part in self))


def kernel_distance(a: Among, b: Among) -> tuple[float, float | None]:
    """The unbiased distance between two sides, and its standard error.

    Leaving out a patient takes its pairs out of the sums, so no kernel is computed twice. The two sides are
    independent: their variances add up. The error is None where a side has fewer than three patients.
    """
    a = a.to(b.features.device)
    rows, columns = a.own.new_zeros(len(a.own)), b.own.new_zeros(len(b.own))
    for i in torch.arange(len(rows), device=rows.device).split(_TILE):
        for j in torch.arange(len(columns), device=rows.device).split(_TILE):
            values = _kernel(a.features[i], b.features[j])
            rows[i] += values.sum(1)
            columns[j] += values.sum(0)
    m, n = len(rows), len(columns)
    distance = a.mean + b.mean - 2 * rows.sum() / (m * n)
    return float(distance), together(_error(a, rows, b.mean, n), _error(b, columns, a.mean, m))


def _error(side: Among, across: Tensor, other: Tensor, count: int) -> float | None:
    """Jackknife standard error of the distance over the patients of one side.

    Args:
        side: Whose patients are left out.
        across: Sum of the kernel of each of its images with the ``count`` images of the other side.
        other: Mean of the kernel over the pairs of the other side.
        count: Images of the other side.
    """
    patients = int(side.patients.max()) + 1
    if patients < 3:
        return None
    sizes, own, pairs, between = (
        torch.zeros(patients, dtype=values.dtype, device=values.device).index_add_(0, side.patients, values)
        for values in (torch.ones_like(side.own), side.own, side.pairs, across)
    )
    # A pair left out is left out in both orders.
    among = (side.own.sum() - 2 * own) / (side.pairs.sum() - 2 * pairs)
    without = among + other - 2 * (across.sum() - between) / ((len(side.own) - sizes) * count)
    return deviation(without.cpu().numpy())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
