"""Random parts of a population that never divide a patient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...api import Population

Positions = NDArray[np.intp]


class Real(NamedTuple):
    """The real images as they are, for metrics that draw parts of them."""

    train: Population
    held_out: Population | None


def halves(population: Population, rng: np.random.Generator) -> tuple[Positions, Positions]:
    """Two random parts, as equal in images as whole patients allow: positions of each.

    Images without patients count as one patient each. With a single patient the second part is empty.
    """
    first: list[Positions] = []
    second: list[Positions] = []
    sizes = [0, 0]
    for images in _by_patient(population, rng):
        smaller = sizes[1] < sizes[0]
        (second if smaller else first).append(images)
        sizes[smaller] += len(images)
    return _joined(first), _joined(second)


def part(population: Population, size: int, rng: np.random.Generator) -> Positions:
    """Positions of ``size`` images of randomly drawn patients; the last patient may come in part."""
    return _joined(_by_patient(population, rng))[:size]


def leaving_out(population: Population, most: int) -> list[Positions]:
    """What is left of a population without each of at most ``most`` groups of whole patients.

    Patients are dealt to the groups in random order, the largest first, so that groups are nearly equal.
    """
    patients = _by_patient(population, np.random.default_rng(0))
    groups: list[list[Positions]] = [[] for _ in range(min(most, len(patients)))]
    for number, images in enumerate(sorted(patients, key=len, reverse=True)):
        groups[number % len(groups)].append(images)
    everybody = np.arange(len(population.values))
    return [np.setdiff1d(everybody, np.concatenate(group)) for group in groups]


def patient_numbers(population: Population) -> Positions:
    """A number for each image, the same for images of one patient; images without patients are their own."""
    if population.patients is None:
        return np.arange(len(population.values))
    return np.unique(population.patients, return_inverse=True)[1]


def _by_patient(population: Population, rng: np.random.Generator) -> list[Positions]:
    """The positions of every patient's images, patients in random order."""
    patients = patient_numbers(population)
    order = np.argsort(patients, kind="stable")
    _, starts = np.unique(patients[order], return_index=True)
    groups = np.split(order, starts[1:])
    return [groups[i] for i in rng.permutation(len(groups))]


def _joined(groups: list[Positions]) -> Positions:
    return np.concatenate(groups) if groups else np.empty(0, dtype=np.intp)
