"""Images that were made elsewhere, scored by the protocol of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..api import Goal, Population, ScoreError, SpecError, WeightsError
from ..files import sha256_of_file
from ..scoring.colour import compared_colours
from ..scoring.crosscheck import CrossCheck, cross_check
from ..scoring.metrics.frechet import Frechet, frechet_distance
from ..scoring.report import Report
from ..scoring.scorer import Scorer
from ..scoring.selection import make_metrics
from ..scoring.shares import SHARE
from ..scoring.statistics import is_statistics, read_statistics
from ..scoring.stored import fingerprint
from .environment import describe, versions
from .foreign_request import ForeignRequest, RealImages, real_images, stored_images
from .scorers import ScoringPlace, make_scorer


@dataclass(frozen=True)
class ForeignScores:
    """The scores of foreign images, and all that answers for them.

    Attributes:
        report: Scores, context and notes.
        goals: Whether lower or higher is better, by score.
        cross_checks: What other packages compute, where that was asked for.
        facts: Numbers of images, fingerprints, versions and device.
    """

    report: Report
    goals: Mapping[str, Goal]
    cross_checks: list[CrossCheck]
    facts: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "scores": self.report.scores,
            "context": self.report.context,
            "notes": self.report.notes,
            "caveats": self.report.caveats,
            "curves": [curve._asdict() for curve in self.report.curves],
            "cross_check": [
                {
                    "package": one.package,
                    "score": one.score,
                    "theirs": one.theirs,
                    "ours": one.ours,
                    "remark": one.remark,
                }
                for one in self.cross_checks
            ],
            **self.facts,
        }


def score_foreign(request: ForeignRequest, place: ScoringPlace) -> ForeignScores:
    """Score images that were made elsewhere.

    Raises:
        SpecError: No score was asked for, or an unknown one.
        ScoreError: Images that can't be read, of another size, or too few.
        DataError: Raw files that are missing or damaged.
        WeightsError: A feature space lacks its weights.
    """
    if not request.metrics:
        raise SpecError("no score was asked for", needed="names of scores", hint="bench list metrics")
    assert request.generated is not None
    images = stored_images(request.generated)
    _check_side(request, images)
    if isinstance(request.reference, Path) and is_statistics(request.reference):
        return _by_statistics(request, request.reference, images, place)
    return Opened.by(request, images.shape[2], place).scores(images)


class Opened(NamedTuple):
    """The real side of a request, ready to be compared with any number of samples."""

    request: ForeignRequest
    real: RealImages
    scorer: Scorer
    place: ScoringPlace

    @classmethod
    def by(cls, request: ForeignRequest, resolution: int, place: ScoringPlace) -> Opened:
        """Prepare the real images, and make sure that scoring will be possible.

        Raises:
            BenchError: As ``score_foreign``, but for what is wrong with samples.
        """
        real = real_images(request, resolution, place.cache, place.tell)
        scorer = make_scorer(request.metrics, real.train, real.held_out, place)
        scorer.check()
        return cls(request, real, scorer, place)

    def scores(self, images: NDArray[np.uint8]) -> ForeignScores:
        """The scores of uint8 (N, C, H, W) images, and all that answers for them.

        Raises:
            ScoreError: Too few images, another size than the real ones, or other colours.
        """
        request, real = self.request, self.real
        colours = compared_colours(real.train.values, images, real.conversions)
        self.scorer.check(len(images))
        # Few are extracted again in seconds, and would only fill the cache.
        report = self.scorer.report(images, curves=request.curves, keep=len(images) > SHARE)
        if request.curves and not report.curves:
            raise ScoreError(
                f"none of {', '.join(request.metrics)} has a curve over the number of images",
                needed="a Fréchet distance",
                hint="--metrics fid,frd",
            )
        report.notes.extend(colours)
        report.caveats.extend(real.caveats)
        checks = list[CrossCheck]()
        if request.cross_check:
            remark, checks = _cross_checks(real.train, images, self.place)
            report.notes.extend(remark)
        facts = {
            "score_versions": self.scorer.versions(),
            "n_generated": len(images),
            "n_real": len(real.train.values),
            "n_held_out": len(real.held_out.values) if real.held_out else 0,
            "channels": {"generated": images.shape[1], "real": real.train.values.shape[1]},
            "conversions": dict(real.conversions),
            "skipped": real.skipped,
            "generated": fingerprint(images),
            "real": fingerprint(real.train.values),
            "versions": versions(),
            "device": describe(self.place.device),
        }
        return ForeignScores(report, self.scorer.goals, checks, facts)


def _by_statistics(
    request: ForeignRequest, path: Path, images: NDArray[np.uint8], place: ScoringPlace
) -> ForeignScores:
    """The Fréchet distance to features of which only mean and covariance are known."""
    if request.held_out or request.cross_check or request.curves:
        raise SpecError(
            f"{path} holds statistics, and neither images nor patients",
            needed="statistics alone: no --held-out, --cross-check or --curve",
        )
    metrics, spaces = make_metrics(request.metrics, place.weights)
    for name, metric in metrics.items():
        if not isinstance(metric, Frechet):
            raise SpecError(
                f"{path} holds statistics of features, which are not enough for {name}",
                needed="a Fréchet distance",
                hint="--metrics fid",
            )
    distances = [metric for metric in metrics.values() if isinstance(metric, Frechet)]
    scores: dict[str, float] = {}
    for metric in distances:
        space = spaces[metric.needs]
        space.check()
        known = read_statistics(path, space.dimension).features()
        scores[metric.score] = frechet_distance(known, space.extract(images, place.device))
    notes = [
        f"{path} tells neither how many real images it is of, nor their size, network and resize: compare "
        "with what was computed in the same way; there is no floor and no interval"
    ]
    facts = {
        "score_versions": {
            "metrics": {name: metric.version for name, metric in metrics.items()},
            "features": {
                name: {**space.identity(), "version": str(space.version)} for name, space in spaces.items()
            },
        },
        "n_generated": len(images),
        "n_real": None,
        "n_held_out": 0,
        "channels": {"generated": images.shape[1], "real": None},
        "conversions": {},
        "skipped": [],
        "generated": fingerprint(images),
        "real": sha256_of_file(path),
        "versions": versions(),
        "device": describe(place.device),
    }
    goals = {score: goal for metric in metrics.values() for score, goal in metric.goals.items()}
    return ForeignScores(Report(scores, {}, notes, []), goals, [], facts)


def _check_side(request: ForeignRequest, images: NDArray[np.uint8]) -> None:
    if request.resolution is not None and images.shape[2:] != (request.resolution,) * 2:
        raise ScoreError(
            f"{_name(request.generated)} holds images of {images.shape[3]} x {images.shape[2]} pixels",
            needed=f"{request.resolution} x {request.resolution}",
            hint="make them at that size, or leave out --res",
        )


def _cross_checks(
    train: Population, images: NDArray[np.uint8], place: ScoringPlace
) -> tuple[list[str], list[CrossCheck]]:
    """Our distances beside those of two packages; with random weights where the real ones are missing."""
    names, remarks = ("fid", "kid"), []
    space = plugins.current().make("features", "inception", weights=place.weights)
    try:
        space.check()
    except WeightsError as error:
        remarks.append(f"{error.found}; the cross-check uses random weights, which is no FID")
        names = ("fd_random", "kid_random")
        space = plugins.current().make("features", "inception-random", weights=place.weights)
    return remarks, cross_check(train.values, images, space, place.device, names)


def _name(given: NDArray[np.uint8] | Path | None) -> str:
    return str(given) if isinstance(given, Path) else "the array"
