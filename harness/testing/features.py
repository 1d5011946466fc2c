"""What the core may expect of every feature space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..api import FeatureSpace, WeightsError, WeightsFile, WeightsLocator
from .findings import Checked, Checks
from .settings import faults_of_version

SIDE = 32
IMAGES = 5
ROUNDING = 1e-4
"""How far features may change with the batch, of the largest one: networks add in another order."""


class NoWeights:
    """Finds no file of weights."""

    def find(self, file: WeightsFile) -> Path:
        """There is none.

        Raises:
            WeightsError: Always.
        """
        raise WeightsError(
            f"{file.name} is needed, and no weights were named", hint="bench check NAME --weights PATH"
        )


def check_features(
    space: type[FeatureSpace] | FeatureSpace,
    *,
    name: str | None = None,
    weights: WeightsLocator | None = None,
    **options: Any,
) -> Checked:
    """Check that a feature space keeps its contract (``harness.api.FeatureSpace``).

    Args:
        space: Its class, or one that was made.
        name: What to call it; None for the name of the class.
        weights: Where its weights are found; None for a space that needs none.
        **options: What to make the class with, beside ``weights``.

    Raises:
        WeightsError: It needs weights that are not at hand, so nothing can be said.
    """
    checks = Checks(f"features {name or getattr(space, '__name__', type(space).__name__)}")
    made: list[FeatureSpace] = []

    def make() -> Iterator[str]:
        if isinstance(space, type):
            # Making one is cheap: no file is touched, so that `bench list` and a plan need no weights.
            space(weights=NoWeights(), **options)
        one = space(weights=weights or NoWeights(), **options) if isinstance(space, type) else space
        if not isinstance(one, FeatureSpace):
            yield f"{one!r} is no harness.api.FeatureSpace"
            return
        made.append(one)

    if not checks.run("it can be made without touching a file", make):
        return checks.result
    made[0].check()
    checks.run("version", lambda: faults_of_version(made[0]))
    _FeatureChecks(made[0], checks).run()
    return checks.result


class _FeatureChecks:
    """The checks that need a space with its weights."""

    def __init__(self, space: FeatureSpace, checks: Checks) -> None:
        self.space = space
        self.checks = checks
        self.images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, SIDE, SIDE), np.uint8)

    def run(self) -> None:
        """All of them, as far as each makes sense after the ones before."""
        run = self.checks.run
        run("its identity names it", self.identity)
        if not run("features have the right shape and type", self.shape):
            return
        run("the same images have the same features", self.is_pure)
        run("features of an image depend on it alone", self.batch)
        run("grey images have the same features in three channels", self.channels)

    def extract(self, images: Any) -> Any:
        """Features, on the processor."""
        return self.space.extract(images, torch.device("cpu"))

    def identity(self) -> Iterator[str]:
        identity = dict(self.space.identity())
        if not identity or not all(isinstance(one, str) for pair in identity.items() for one in pair):
            yield f"identity() is {identity!r} instead of text by name: network, weights, resize"
        if identity != dict(self.space.identity()):
            yield "identity() is another one at another call"

    def shape(self) -> Iterator[str]:
        self.features = features = self.extract(self.images)
        wanted = (IMAGES, self.space.dimension)
        if not isinstance(features, np.ndarray) or features.shape != wanted or features.dtype != np.float64:
            found = (
                f"{features.dtype} {features.shape}"
                if isinstance(features, np.ndarray)
                else type(features).__name__
            )
            yield f"extract gave {found} instead of float64 {wanted}"
        elif not np.isfinite(features).all():
            yield "extract gave features that are not finite"
        elif np.array_equal(features[0], features[1]):
            yield "two images have one feature vector"

    def is_pure(self) -> Iterator[str]:
        frozen = self.images.copy()
        frozen.setflags(write=False)
        if not np.array_equal(self.extract(frozen), self.features):
            yield "they are others at another call"

    def batch(self) -> Iterator[str]:
        alone = np.concatenate([self.extract(self.images[n : n + 1]) for n in range(IMAGES)])
        backwards = self.extract(np.ascontiguousarray(self.images[::-1]))[::-1]
        for what, features in (("alone", alone), ("in another order", backwards)):
            if (change := self._change(features)) > ROUNDING:
                yield f"{what}, an image has features that differ by {change:.2g} of the largest one"

    def channels(self) -> Iterator[str]:
        if (change := self._change(self.extract(self.images.repeat(3, axis=1)))) > ROUNDING:
            yield f"they differ by {change:.2g} of the largest one"

    def _change(self, features: Any) -> float:
        return float(np.abs(features - self.features).max() / np.abs(self.features).max())
