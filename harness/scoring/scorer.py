"""From images to scores: every feature space runs once, and whatever is of real images is computed once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..api import Curve, FeatureSpace, Goal, Metric, Population, ScoreError, SpecError, Targets
from ..interrupting import look
from . import demands
from .cache import FeatureCache
from .report import Report
from .shares import shared
from .spaces.network import full_precision
from .stored import canonical_order, check_images, drop_equal_channels, fingerprint

RealSide = Literal["train", "held_out"]


class Scorer:
    """Scores generated images against one set of real images.

    Args:
        metrics: The metrics to compute, by registered name.
        spaces: The feature spaces that they need, by registered name.
        train: uint8 (N, C, H, W) images that models are trained on, with their patients.
        held_out: Real images of patients that no model saw; None if there are none.
        device: Where feature networks run and metrics compute.
        cache: Folder for the features of real images; None keeps them in memory only.

    Raises:
        SpecError: A metric needs a feature space that is not there, or two metrics claim one score.
        ScoreError: Real images that are not uint8 (N, C, H, W).
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric[Any]],
        spaces: Mapping[str, FeatureSpace],
        train: Population,
        held_out: Population | None,
        device: torch.device,
        cache: Path | None,
    ) -> None:
        self.metrics = dict(metrics)
        self.spaces = {
            metric.needs: _space(spaces, metric.needs)
            for metric in metrics.values()
            if metric.needs != "images"
        }
        self.device = device
        self._real: dict[RealSide, Population] = {"train": train}
        if held_out is not None:
            self._real["held_out"] = held_out
        for population in self._real.values():
            check_images(population.values)
        self._cache = FeatureCache(cache) if cache else None
        for metric in self.metrics.values():
            metric.keeper = self._cache
        self._fingerprints = {side: "" for side in self._real}
        self._features: dict[tuple[RealSide, str], Population] = {}
        self._references: dict[str, Any] = {}
        demands.check_names(self.metrics)

    @property
    def goals(self) -> dict[str, Goal]:
        """Whether lower or higher is better, for every score that a model is judged by."""
        return {score: goal for metric in self.metrics.values() for score, goal in metric.goals.items()}

    def check(self, n_generated: int | None = None, *, paired: bool = False, labelled: bool = False) -> None:
        """Make sure, before anybody trains for days, that scoring will be possible.

        Args:
            n_generated: How many images will be generated, if that is known.
            paired: Whether each of them will have a target of its own.
            labelled: Whether they will come with label maps.

        Raises:
            WeightsError: A feature space lacks its weights.
            ScoreError: Fewer real or generated images than a metric needs, no targets or labels, or nobody
                held out.
        """
        demands.check_targets(self.metrics, paired)
        demands.check_labels(self.metrics, self._real["train"].labels is not None and (paired or labelled))
        demands.check_held_out(self.metrics, "held_out" in self._real)
        for side, population in self._real.items():
            demands.check_count(self.metrics, side.replace("_", "-"), len(population.values))
        if n_generated is not None:
            demands.check_count(self.metrics, "generated", n_generated)
        for space in self.spaces.values():
            space.check()

    def score(
        self,
        generated: NDArray[np.uint8],
        targets: Targets | None = None,
        labels: NDArray[np.uint8] | None = None,
        *,
        only: Collection[str] | None = None,
    ) -> dict[str, float]:
        """The scores of ``generated``, uint8 (M, C, H, W).

        Args:
            generated: The images.
            targets: What each should have been; None outside of a paired task.
            labels: uint8 (M, 1, H, W), what they show; None where nobody says that.
            only: The metrics to compute, by name; None for all.

        Raises:
            ScoreError: Too few images, another size than the real ones, or a metric that returns NaN.
        """
        scores: dict[str, float] = {}
        with full_precision():  # an evaluation may be called amid training in bfloat16
            names = self.metrics if only is None else only
            for name, samples in self._prepared(Population(generated, None, targets, labels), names):
                self._compute(scores, name, samples)
        return scores

    def report(
        self,
        generated: NDArray[np.uint8],
        targets: Targets | None = None,
        labels: NDArray[np.uint8] | None = None,
        *,
        curves: bool = False,
        keep: bool = False,
    ) -> Report:
        """All scores with what is needed to read them; takes longer than ``score``, so for final samples.

        Args:
            generated: The images.
            targets: What each should have been; None outside of a paired task.
            labels: uint8 (M, 1, H, W), what they show; None where nobody says that.
            curves: Also compute scores at growing numbers of images, where they depend on these.
            keep: Keep features of the images, as of real ones: whoever scores the same ones shares the work.

        Raises:
            ScoreError: As ``score``.
        """
        drawn: dict[str, Curve] = {}
        scores: dict[str, float] = {}
        context: dict[str, float] = {}
        caveats: list[str] = []
        with full_precision():
            for name, samples in self._prepared(
                Population(generated, None, targets, labels),
                self.metrics,
                fingerprint(drop_equal_channels(generated)) if keep else "",
            ):
                found = self._compute(scores, name, samples)
                helpful = self.metrics[name].context(self._reference(name), samples, self.device)
                context |= helpful
                caveats += self.metrics[name].caveats(found, helpful)
                curve = self.metrics[name].curve(self._reference(name), samples) if curves else None
                if curve is not None:
                    drawn[name] = curve
        notes = self.notes(len(generated)) + self._doubts(drawn)
        return Report(scores, context, notes, caveats, tuple(drawn.values()))

    def notes(self, n_generated: int) -> list[str]:
        """One line for each metric that has too few images to be compared with other numbers of images."""
        n_real = len(self._real["train"].values)
        fewest = min([n_generated, *(len(side.values) for side in self._real.values())])
        return [
            f"{name} of {n_generated} generated and {n_real} real images is biased upwards (below "
            f"{metric.recommended} on a side): compare it at equal numbers only"
            for name, metric in self.metrics.items()
            if fewest < metric.recommended
        ]

    def _doubts(self, curves: Mapping[str, Curve]) -> list[str]:
        # Simulated (docs/metrics.md): with as many images as dimensions most of the bias is left.
        enough = {name: 2 * self.metrics[name].recommended for name in curves}
        return [
            f"{curve.score} of infinitely many images, {curve.limit:.4g}, is a rough guess: its bias is no "
            f"straight line over 1/N below {enough[name]} images"
            for name, curve in curves.items()
            if curve.sizes[-1] < enough[name]
        ]

    def versions(self) -> dict[str, dict[str, Any]]:
        """What scores are computed with: versions of metrics; network, weights and resize of features."""
        return {
            "metrics": {name: metric.version for name, metric in self.metrics.items()},
            "features": {
                name: {**space.identity(), "version": str(space.version)}
                for name, space in self.spaces.items()
            },
        }

    def _prepared(
        self, generated: Population, names: Collection[str], kept_as: str = ""
    ) -> Iterator[tuple[str, Population]]:
        """Each of the metrics with the samples as it needs them; a feature space runs once for all of its."""
        asked = {name: self.metrics[name] for name in names}
        demands.check_generated(asked, generated.values, self._real["train"].values)
        demands.check_targets(asked, generated.targets is not None)
        demands.check_labels(asked, generated.labels is not None)
        for need in ["images", *self.spaces]:
            asking = [name for name in names if self.metrics[name].needs == need]
            if not asking:
                continue
            if need == "images":
                samples = generated
            else:
                features = self._extract(need, generated.values, kept_as)
                samples = Population(features[canonical_order(generated.values)])
            for name in asking:
                yield name, samples

    def _compute(self, scores: dict[str, float], name: str, samples: Population) -> dict[str, float]:
        """Add the scores of one metric to those of the others, and return them."""
        look()
        found = self.metrics[name].compute(self._reference(name), samples, self.device)
        _add(scores, name, self.metrics[name], found)
        return found

    def _reference(self, name: str) -> Any:
        """What a metric keeps of the real images, computed when it is asked for the first time."""
        if name not in self._references:
            need = self.metrics[name].needs
            held_out = self._side("held_out", need) if "held_out" in self._real else None
            self._references[name] = self.metrics[name].reference(self._side("train", need), held_out)
        return self._references[name]

    def _side(self, side: RealSide, need: str) -> Population:
        """Real images as ``need`` wants them: the images, or their features in canonical order."""
        population = self._real[side]
        if need == "images":
            return population
        if (side, need) not in self._features:
            order = canonical_order(population.values)
            features = self._cached(side, need)[order]
            patients = None if population.patients is None else population.patients[order]
            self._features[side, need] = Population(features, patients)
        return self._features[side, need]

    def _cached(self, side: RealSide, need: str) -> NDArray[np.float64]:
        images = self._real[side].values
        if self._cache is not None and not self._fingerprints[side]:
            # Grey images have the same features in one channel and in three.
            self._fingerprints[side] = fingerprint(drop_equal_channels(images))
        return self._extract(need, images, self._fingerprints[side])

    def _extract(self, need: str, images: NDArray[np.uint8], kept_as: str = "") -> NDArray[np.float64]:
        """Features of images in their order; those of a set with a fingerprint are kept, and shared."""
        space = self.spaces[need]

        def extract(part: slice) -> NDArray[np.float64]:
            return _checked(need, space, space.extract(images[part], self.device), len(images[part]))

        if self._cache is None or not kept_as:
            return extract(slice(len(images)))
        key = {
            "images": kept_as,
            "space": f"{type(space).__module__}.{type(space).__qualname__}",
            "identity": dict(space.identity()),
            "version": space.version,
            "torch": torch.__version__,
        }
        return shared(self._cache, key, (len(images), space.dimension), extract)


def _space(spaces: Mapping[str, FeatureSpace], name: str) -> FeatureSpace:
    if name not in spaces:
        raise SpecError(f"no feature space {name!r}", hint="bench list features")
    return spaces[name]


def _checked(
    name: str, space: FeatureSpace, features: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    if features.shape != (count, space.dimension) or features.dtype != np.float64:
        raise ScoreError(
            f"feature space {name!r} returned {features.dtype} {features.shape}",
            needed=f"float64 ({count}, {space.dimension})",
        )
    return features


def _add(scores: dict[str, float], name: str, metric: Metric[Any], result: Mapping[str, float]) -> None:
    missing = set(metric.goals) - set(result)
    if missing:
        raise ScoreError(
            f"metric {name!r} did not return {sorted(missing)}", needed="every score of its goals"
        )
    for score, value in result.items():
        if score in scores:
            raise ScoreError(
                f"metric {name!r} returned {score!r}, which another metric has", needed="other names"
            )
        if not np.isfinite(value):
            raise ScoreError(f"metric {name!r} gave {score} = {value}", needed="a finite number")
        scores[score] = float(value)
