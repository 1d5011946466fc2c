"""What to score that was made elsewhere, and the real images that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import Population, SpecError
from ..data.prepare import prepare
from ..scoring.generated import load_images
from .datasets import dataset_settings, make_dataset
from .scorers import population

DEFAULT_METRICS = ("fid", "kid", "manifold", "frd", "swd", "ms_ssim")


@dataclass(frozen=True)
class ForeignRequest:
    """What to score, and against what.

    Attributes:
        generated: uint8 (N, C, H, W), or where such images are: a folder, a zip, a TIFF stack, an array; None
            where they are still to come.
        reference: Real images in the same forms, or an ``.npz`` with ``mu`` and ``sigma`` of their features,
            for Fréchet distances alone; None where ``dataset`` is given.
        dataset: Name of a registered data set; None where ``reference`` is given.
        data_root: Raw files of the data set.
        settings: Options of the data set.
        metrics: Scores by name.
        resolution: Side that the generated images must have; None takes it as it is.
        held_out: Keep the test patients apart, and score against them too.
        skip_bad: Leave damaged raw files out, and say so.
        curves: Also compute distances at growing numbers of images.
        cross_check: Also compute the Fréchet distance through clean-fid and torch-fidelity.

    Raises:
        SpecError: Not exactly one of ``dataset`` and ``reference`` is there.
    """

    generated: NDArray[np.uint8] | Path | None = None
    reference: NDArray[np.uint8] | Path | None = None
    dataset: str | None = None
    data_root: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = DEFAULT_METRICS
    resolution: int | None = None
    held_out: bool = False
    skip_bad: bool = False
    cross_check: bool = False
    curves: bool = False

    def __post_init__(self) -> None:
        if (self.dataset is None) == (self.reference is None):
            raise SpecError(
                "no real images to score against"
                if self.dataset is None
                else "both --dataset and --reference",
                needed="one of --dataset NAME and --reference DIR",
            )


class RealImages(NamedTuple):
    """Real images, those of held-out patients, the items left out, what the others lost, and caveats."""

    train: Population
    held_out: Population | None
    skipped: list[dict[str, str]]
    conversions: Mapping[str, int]
    caveats: Sequence[str] = ()


def real_images(
    request: ForeignRequest, resolution: int, cache: Path, tell: Callable[[str], None]
) -> RealImages:
    """The real side of a comparison, at the resolution of the generated images."""
    if request.reference is not None:
        if request.held_out:
            raise SpecError("--held-out needs patients, which a folder has not", needed="--dataset NAME")
        return RealImages(Population(stored_images(request.reference)), None, [], {})
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


def stored_images(given: NDArray[np.uint8] | Path) -> NDArray[np.uint8]:
    """Images as they are, read where a path is given."""
    return load_images(given) if isinstance(given, Path) else given
