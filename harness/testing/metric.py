"""What the core may expect of every metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ..api import FeatureSpace, Goal, Metric, Population, Targets, WeightsFile
from ..scoring.scorer import Scorer
from .findings import Checked, Checks
from .settings import faults_of_version

SIDE = 32
IMAGES = 24
"""Images on each side, unless the metric needs more."""
ROUNDING = 1e-6
"""How far a score may change, of its size, with the order of the images."""


ALL = slice(None)
"""Every image, in the order in which they are."""


class _Pixels(FeatureSpace):
    """Features for a metric that needs some: seeded projections of the pixels."""

    version = 1
    dimension = 16

    def __init__(self) -> None:
        super().__init__(_Nowhere())

    def check(self) -> None:
        """Nothing is needed."""

    def identity(self) -> Mapping[str, str]:
        """No network."""
        return {"network": "projected pixels"}

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Projections of each image, (N, 16)."""
        pixels = images.reshape(len(images), -1) / 255.0
        directions = np.random.default_rng(0).normal(size=(pixels.shape[1], self.dimension))
        # One at a time, so that an image has the same features to the last bit whatever stands beside it.
        return np.stack([image @ directions for image in pixels])


class _Nowhere:
    def find(self, file: WeightsFile) -> Any:
        raise AssertionError("no weights are needed here")


def check_metric(
    metric: type[Metric[Any]] | Metric[Any], *, name: str | None = None, **options: Any
) -> Checked:
    """Check that a metric keeps its contract (``harness.api.Metric``).

    It is asked as in a run, by a ``Scorer``. Where it needs features, they are of a toy space.

    Args:
        metric: Its class, or one that was made.
        name: What to call it; None for the name of the class.
        **options: What to make the class with.
    """
    called = name or (metric if isinstance(metric, type) else type(metric)).__name__
    checks = Checks(f"metric {called}")
    made: list[Metric[Any]] = []

    def make() -> Iterator[str]:
        one = metric(**options) if isinstance(metric, type) else metric
        if not isinstance(one, Metric):
            yield f"{one!r} is no harness.api.Metric"
            return
        made.append(one)
        goals = getattr(one, "goals", None) or {}
        if not goals or set(goals.values()) - set(get_args(Goal)):
            yield f"goals is {goals!r} instead of 'lower' or 'higher' for each score"

    if not checks.run("it can be made, and names its goals", make):
        return checks.result
    checks.run("version", lambda: faults_of_version(made[0]))
    _MetricChecks(made[0], called, checks).run()
    return checks.result


class _MetricChecks:
    """The checks that need a metric which exists."""

    def __init__(self, metric: Metric[Any], name: str, checks: Checks) -> None:
        self.metric = metric
        self.name = name
        self.checks = checks
        self.count = max(metric.minimum, IMAGES)
        self.train, self.held_out = (_population(_images(self.count, seed)) for seed in (0, 1))
        self.generated, self.others, self.targets = (_images(self.count, seed) for seed in (2, 3, 4))

    def run(self) -> None:
        """All of them, as far as each makes sense after the ones before."""
        run = self.checks.run
        if not run("it returns every score of its goals, finite", self.scores):
            return
        run("the same images have the same scores", self.is_pure)
        run("the order of images does not matter", self.order)
        run("as many images as its minimum are enough", self.minimum)
        run("what helps to read its scores is finite", self.context)

    def score(self, scorer: Scorer, images: NDArray[np.uint8], order: Any = ALL) -> dict[str, float]:
        """Scores of some images, as a run asks for them."""
        return scorer.score(images[order], self._targets(len(images), order), _labels(images)[order])

    def scores(self) -> Iterator[str]:
        # The scorer itself refuses what is missing or not finite.
        for held_out in (self.held_out,) if self.metric.needs_held_out else (self.held_out, None):
            self.score(self._scorer(self.train, held_out), self.generated)
        yield from ()

    def is_pure(self) -> Iterator[str]:
        scorer = self._scorer(self.train, self.held_out)
        before = self.score(scorer, self.generated)
        self.score(scorer, self.others)
        yield from _differences(before, self.score(scorer, self.generated), 0.0)

    def order(self) -> Iterator[str]:
        order = np.random.default_rng(5).permutation(self.count)
        before = self.score(self._scorer(self.train, self.held_out), self.generated)
        scorer = self._scorer(_chosen(self.train, order), _chosen(self.held_out, order))
        yield from _differences(before, self.score(scorer, self.generated, order), ROUNDING)

    def minimum(self) -> Iterator[str]:
        fewest = slice(self.metric.minimum)
        scorer = self._scorer(_chosen(self.train, fewest), _chosen(self.held_out, fewest))
        self.score(scorer, self.generated[fewest])
        yield from ()

    def context(self) -> Iterator[str]:
        report = self._scorer(self.train, self.held_out).report(
            self.generated, self._targets(self.count), _labels(self.generated)
        )
        for what, value in report.context.items():
            if not math.isfinite(value):
                yield f"{what} is {value}"

    def _scorer(self, train: Population, held_out: Population | None) -> Scorer:
        spaces = {} if self.metric.needs == "images" else {self.metric.needs: _Pixels()}
        return Scorer(
            {self.name: self.metric},
            spaces,
            train,
            held_out,
            device=torch.device("cpu"),
            cache=None,
        )

    def _targets(self, count: int, order: Any = ALL) -> Targets | None:
        if not self.metric.is_paired:
            return None
        half = np.zeros((count, 1, SIDE, SIDE), np.bool_)
        half[:, :, : SIDE // 2] = True
        return Targets(self.targets[:count][order], {"half": half})


def _images(count: int, seed: int) -> NDArray[np.uint8]:
    """Blocks of noise, (count, 1, SIDE, SIDE), brighter with the seed, and read-only as in a run."""
    coarse = np.random.default_rng(seed).integers(0, 200, (count, 1, SIDE // 4, SIDE // 4))
    images: NDArray[np.uint8] = (coarse.repeat(4, axis=2).repeat(4, axis=3) + 10 * seed).astype(np.uint8)
    images.setflags(write=False)
    return images


def _population(images: NDArray[np.uint8]) -> Population:
    patients = np.array([f"patient{number // 2}" for number in range(len(images))])
    return Population(images, patients, labels=_labels(images), structures={"bright": (1,)})


def _labels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is bright, so that whoever sees an image can tell."""
    return (images > 128).astype(np.uint8)


def _chosen(population: Population, rows: Any) -> Population:
    assert population.patients is not None
    assert population.labels is not None
    values, patients, labels = (
        stack[rows] for stack in (population.values, population.patients, population.labels)
    )
    return population._replace(values=values, patients=patients, labels=labels)


def _differences(before: Mapping[str, float], after: Mapping[str, float], tolerance: float) -> Iterator[str]:
    if before.keys() != after.keys():
        yield f"first {', '.join(before)}, then {', '.join(after)}"
    for score in before.keys() & after.keys():
        if not math.isclose(before[score], after[score], rel_tol=tolerance, abs_tol=tolerance):
            yield f"{score} is {before[score]:.9g}, and then {after[score]:.9g}"
