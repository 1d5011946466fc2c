"""What metrics ask of images before anything is computed, and what is said where it is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..api import Metric, ScoreError, SpecError
from .stored import check_images

Metrics = Mapping[str, Metric[Any]]


def check_names(metrics: Metrics) -> None:
    """Make sure that no score is claimed twice.

    Raises:
        SpecError: It is.
    """
    owners = Counter(score for metric in metrics.values() for score in metric.goals)
    for score, count in owners.items():
        if count > 1:
            names = [name for name, metric in metrics.items() if score in metric.goals]
            raise SpecError(
                f"the score {score!r} is claimed by the metrics {' and '.join(names)}",
                needed="one metric for one score",
                hint="leave one of them out of --metrics",
            )


def check_count(metrics: Metrics, side: str, count: int) -> None:
    """Make sure that there are enough images on a side.

    Raises:
        ScoreError: There are not.
    """
    for name, metric in metrics.items():
        if count < metric.minimum:
            raise ScoreError(
                f"{count} {side} image(s)",
                needed=f"at least {metric.minimum} for {name}",
                hint=f"more images, or leave {name} out of --metrics",
            )


def check_targets(metrics: Metrics, paired: bool) -> None:
    """Make sure that images have targets where a metric compares them with some.

    Raises:
        ScoreError: They have not.
    """
    for name, metric in metrics.items():
        if metric.is_paired and not paired:
            raise ScoreError(
                f"{name} compares each image with its own target, and there is none",
                needed="a model that translates one modality into another",
                hint=f"leave {name} out of --metrics",
            )


def check_labels(metrics: Metrics, are_there: bool) -> None:
    """Make sure that images have labels where a metric reads them.

    Raises:
        ScoreError: They have not.
    """
    for name, metric in metrics.items():
        if metric.needs_labels and not are_there:
            raise ScoreError(
                f"{name} trains on images with their labels, and there are none",
                needed="a data set with a segmentation, and a model that translates or makes labels too",
                hint=f"--labels, or leave {name} out of --metrics",
            )


def check_held_out(metrics: Metrics, are_there: bool) -> None:
    """Make sure that there are held-out patients where a metric can't do without.

    Raises:
        ScoreError: There are none.
    """
    for name, metric in metrics.items():
        if metric.needs_held_out and not are_there:
            raise ScoreError(
                f"{name} compares training patients with others, and none are held out",
                needed="real images of patients that nobody trained on",
                hint=f"--held-out, or leave {name} out of --metrics",
            )


def check_chooser(name: str, metric: Metric[Any]) -> None:
    """Make sure that the metric which chooses networks looks at nobody on whom they are reported.

    Raises:
        SpecError: It looks at held-out patients.
    """
    if metric.needs_held_out:
        raise SpecError(
            f"{name} looks at held-out patients, and as the first metric it would choose the networks too",
            needed="held-out patients who chose nothing",
            hint=f"another metric first, such as --metrics swd,{name}",
        )


def check_generated(metrics: Metrics, generated: NDArray[np.uint8], real: NDArray[np.uint8]) -> None:
    """Make sure that generated images are such that they can be compared with the real ones.

    Raises:
        ScoreError: They are not uint8 (N, C, H, W), too few, or of another size.
    """
    check_images(generated)
    check_count(metrics, "generated", len(generated))
    if generated.shape[2:] != real.shape[2:]:
        raise ScoreError(
            f"generated images are {generated.shape[2]} x {generated.shape[3]} pixels",
            needed=f"{real.shape[2]} x {real.shape[3]}, as the real ones: another size is another score",
            hint="generate at that size, or choose --res accordingly; resizing is part of what is scored",
        )
