"""What a distance is worth at its number of images, and whether samples are too near to be new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...api import Population
from .draws import halves, part

Distance = Callable[[NDArray[Any], NDArray[Any]], float]
# Share of ``perfect`` below which samples are called suspicious. Of a squared distance, copies of training
# images have about a half of it and a perfect generator all of it; this lies between them.
_SUSPICIOUS = 0.75


class Halves(NamedTuple):
    """A distance between sets of real images at equal numbers, beside that of samples.

    Attributes:
        score: What the distance is called.
        distance: That of two sets of images.
        draws: How many random parts are averaged.
        power: 2 for a squared distance, 1 for one that is not.
    """

    score: str
    distance: Distance
    draws: int
    power: int

    def context(
        self, train: Population, held_out: Population | None, samples: NDArray[Any]
    ) -> dict[str, float]:
        """Means over random draws, by names that begin with the score's.

        - ``halves``, ``halves_n``: distance between halves of the training *patients*, and the images in one.
        - ``at_halves``: distance of as many samples to such a half.
        - ``perfect``: the least that ``at_halves`` is expected to be where samples don't depend on the
          training images. A half of the patients is away from the population by the choice of its patients
          and of its images; samples, by their own choice alone, which is at least that of images at random.
        - ``unseen``, ``unseen_n``, ``at_unseen``: distance of held-out images to equally many training
          images, their number, and the distance of as many samples to the same.
        """
        rng = np.random.default_rng(0)
        found = self._of_patients(train, samples, rng)
        if held_out is not None:
            found |= self._of_unseen(train, held_out, samples, rng)
        return {f"{self.score}_{name}": value for name, value in found.items()}

    def caveats(self, context: Mapping[str, float]) -> list[str]:
        """A word where samples are nearer to training patients than they can be without copying."""
        size, at, perfect = (
            context.get(f"{self.score}_{name}") for name in ("halves_n", "at_halves", "perfect")
        )
        if size is None or at is None or perfect is None:
            return []
        if at >= _SUSPICIOUS ** (self.power / 2) * perfect:
            return []
        return [
            f"{self.score} of {size:.0f} samples to half of the training patients is {at:.4g}, and new "
            f"samples can be expected to have no less than {perfect:.4g}: possible copying of training images"
        ]

    def _of_patients(
        self, train: Population, samples: NDArray[Any], rng: np.random.Generator
    ) -> dict[str, float]:
        found: list[tuple[float, float, float]] = []
        sizes = []
        for _ in range(self.draws):
            first, second = halves(train, rng)
            size = min(len(first), len(second), len(samples))
            if size < 2:
                return {}  # one patient, or too few images, has no halves to compare
            one, other = (train.values[rng.permutation(side)[:size]] for side in (first, second))
            mixed = train.values[rng.permutation(len(train.values))]
            made = samples[rng.permutation(len(samples))[:size]]
            apart, at = self.distance(one, other), self.distance(one, made)
            found.append((apart, at, self.distance(mixed[:size], mixed[size : 2 * size])))
            sizes.append(float(size))
        apart, at, together = map(float, np.mean(found, axis=0))
        # Squares of what patients and images add: a distance to the population is half of one to each other.
        exponent = 2 / self.power
        perfect = float(((apart**exponent + min(apart, together) ** exponent) / 2) ** (1 / exponent))
        return {"halves": apart, "halves_n": float(np.mean(sizes)), "at_halves": at, "perfect": perfect}

    def _of_unseen(
        self, train: Population, held_out: Population, samples: NDArray[Any], rng: np.random.Generator
    ) -> dict[str, float]:
        size = min(len(train.values), len(held_out.values), len(samples))
        found = []
        for _ in range(self.draws):
            trained = train.values[part(train, size, rng)]
            unseen, made = (
                held_out.values[part(held_out, size, rng)],
                samples[rng.permutation(len(samples))[:size]],
            )
            found.append((self.distance(trained, unseen), self.distance(trained, made)))
        unseen_distance, at = map(float, np.mean(found, axis=0))
        return {"unseen": unseen_distance, "unseen_n": float(size), "at_unseen": at}
