"""Images that were made elsewhere, scored by the protocol of a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..api import Goal, Population, ScoreError, SpecError, WeightsError
from ..data.prepare import prepare
from ..files import sha256_of_file
from ..scoring.colour import compared_colours
from ..scoring.crosscheck import CrossCheck, cross_check
from ..scoring.generated import load_images
from ..scoring.metrics.frechet import Frechet, frechet_distance
from ..scoring.report import Report
from ..scoring.selection import make_metrics
from ..scoring.statistics import is_statistics, read_statistics
from ..scoring.stored import fingerprint
from .datasets import make_dataset
from .environment import describe, versions
from .scorers import ScoringPlace, make_scorer, population
from .settings import dataset_settings

DEFAULT_METRICS = ("fid", "kid", "manifold", "frd", "swd", "ms_ssim")


@dataclass(frozen=True)
class ForeignRequest:
    """What to score, and against what.

    Attributes:
        generated: uint8 (N, C, H, W), or where such images are: a folder, a zip, a TIFF stack, an array.
        reference: Real images in the same forms, or an ``.npz`` with ``mu`` and ``sigma`` of their features,
            for Fréchet distances alone; None where ``dataset`` is given.
        dataset: Name of a registered data set; None where ``reference`` is given.
        data_root: Raw files of the data set.
        settings: Options of the data set.
        metrics: Scores by name.
        resolution: Side that the generated images must have; None takes it as it is.
        held_out: Keep the test patients apart, and score against them too.
        skip_bad: Leave damaged raw files out, and say so.
        cross_check: Also compute the Fréchet distance through clean-fid and torch-fidelity.
    """

    generated: NDArray[np.uint8] | Path
    reference: NDArray[np.uint8] | Path | None = None
    dataset: str | None = None
    data_root: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = DEFAULT_METRICS
    resolution: int | None = None
    held_out: bool = False
    skip_bad: bool = False
    cross_check: bool = False


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


class RealImages(NamedTuple):
    """Real images, those of held-out patients, the items left out, what the others lost, and caveats."""

    train: Population
    held_out: Population | None
    skipped: list[dict[str, str]]
    conversions: Mapping[str, int]
    caveats: Sequence[str] = ()


def score_foreign(request: ForeignRequest, place: ScoringPlace) -> ForeignScores:
    """Score images that were made elsewhere.

    Raises:
        SpecError: No real images were named, or two kinds of them; an unknown name.
        ScoreError: Images that can't be read, of another size, or too few.
        DataError: Raw files that are missing or damaged.
        WeightsError: A feature space lacks its weights.
    """
    if not request.metrics:
        raise SpecError("no score was asked for", needed="names of scores", hint="bench list metrics")
    images = _images(request.generated)
    _check_side(request, images)
    if isinstance(request.reference, Path) and is_statistics(request.reference):
        return _by_statistics(request, request.reference, images, place)
    real = real_images(request, images.shape[2], place.cache, place.tell)
    colours = compared_colours(real.train.values, images, real.conversions)
    scorer = make_scorer(request.metrics, real.train, real.held_out, place)
    scorer.check(len(images))
    report = scorer.report(images)
    report.notes.extend(colours)
    report.caveats.extend(real.caveats)
    checks = list[CrossCheck]()
    if request.cross_check:
        remark, checks = _cross_checks(real.train, images, place)
        report.notes.extend(remark)
    facts = {
        "score_versions": scorer.versions(),
        "n_generated": len(images),
        "n_real": len(real.train.values),
        "n_held_out": len(real.held_out.values) if real.held_out else 0,
        "channels": {"generated": images.shape[1], "real": real.train.values.shape[1]},
        "conversions": dict(real.conversions),
        "skipped": real.skipped,
        "generated": fingerprint(images),
        "real": fingerprint(real.train.values),
        "versions": versions(),
        "device": describe(place.device),
    }
    return ForeignScores(report, scorer.goals, checks, facts)


def real_images(
    request: ForeignRequest, resolution: int, cache: Path, tell: Callable[[str], None]
) -> RealImages:
    """The real side of a comparison, at the resolution of the generated images.

    Raises:
        SpecError: Not exactly one of ``dataset`` and ``reference`` is there.
    """
    if (request.dataset is None) == (request.reference is None):
        raise SpecError(
            "no real images to score against"
            if request.dataset is None
            else "both --dataset and --reference",
            needed="one of --dataset NAME and --reference DIR",
        )
    if request.reference is not None:
        if request.held_out:
            raise SpecError("--held-out needs patients, which a folder has not", needed="--dataset NAME")
        return RealImages(Population(_images(request.reference)), None, [], {})
    assert request.dataset is not None
    source = make_dataset(request.dataset, dataset_settings(request.settings), request.data_root)
    skip_bad = request.skip_bad
    sets = prepare(source, request.dataset, [resolution], cache / "images", skip_bad=skip_bad, tell=tell)
    whole = sets[resolution]
    if not request.held_out:
        return RealImages(population(whole, whole.channels), None, whole.skipped, whole.conversions)
    train, apart = whole.select(["train", "val"]), whole.select("test")
    return RealImages(
        population(train, whole.channels),
        population(apart, whole.channels),
        whole.skipped,
        whole.conversions,
        source.caveats(),
    )


def _by_statistics(
    request: ForeignRequest, path: Path, images: NDArray[np.uint8], place: ScoringPlace
) -> ForeignScores:
    """The Fréchet distance to features of which only mean and covariance are known."""
    if request.dataset is not None or request.held_out or request.cross_check:
        raise SpecError(
            f"{path} holds statistics, and neither images nor patients",
            needed="statistics alone: no --dataset, --held-out or --cross-check",
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


def _images(given: NDArray[np.uint8] | Path) -> NDArray[np.uint8]:
    return load_images(given) if isinstance(given, Path) else given


def _name(given: NDArray[np.uint8] | Path) -> str:
    return str(given) if isinstance(given, Path) else "the array"
