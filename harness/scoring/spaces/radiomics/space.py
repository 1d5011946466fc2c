"""The feature space of radiomics: 394 numbers of every image, equal to those that pyradiomics gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ....api import FeatureSpace, ScoreError, WeightsLocator
from ...stored import check_images
from . import firstorder, glcm, glrlm, glszm, ngtdm
from .levels import BIN_WIDTH, Values, grey_levels
from .resample import SCALE, grey, inside, normalised, resampled
from .wavelet import PARTS, wavelet_parts

SMALLEST = 8
"""Pixels of the shortest side; half of them are left after resampling."""
_AT_ONCE = 1 << 14
"""Resampled pixels of the images that are worked on together: as many as fit into a processor's cache, with
all that each step makes of them."""

_IMAGES = ("original", *(f"wavelet-{part}" for part in PARTS))
_CLASSES = {
    "firstorder": firstorder.NAMES,
    "glcm": glcm.NAMES,
    "glrlm": glrlm.NAMES,
    "glszm": glszm.NAMES,
    "ngtdm": ngtdm.NAMES,
}
_RANGES = tuple(
    f"diagnostics_{what}_{value}"
    for what in ("Image-original", "Image-interpolated", "Mask-interpolated")
    for value in ("Mean", "Minimum", "Maximum")
)
NAMES = (
    *_RANGES,
    *(f"{image}_{kind}_{name}" for image in _IMAGES for kind, names in _CLASSES.items() for name in names),
)
"""Every feature by the name that pyradiomics gives it."""


class Radiomics(FeatureSpace):
    """394 radiomic features of the whole image, as the Fréchet radiomics distance uses them.

    The image is normalised to mean 0 and deviation 100, resampled to half its resolution, and taken as it is
    and in four wavelet parts. Of each come 18 first-order features, 22 of the co-occurrence matrix, 16 of
    runs, 16 of zones and 5 of differences from neighbours, with grey levels of width 5; and before all of
    these the mean and range of the image, stored and resampled, and of the resampled one within its mask.

    There is nothing to learn and nothing to download. Computed in float64 on the processor, whatever the
    device: most of the work is counting.

    Source: Konz, Osuala et al. 2026, "Fréchet radiomic distance (FRD)", Medical Image Analysis 110, 103943;
    settings of ``configs/extraction_2d.yaml`` in frd-score 1.0.1; features as in pyradiomics 3.1 (van
    Griethuysen et al. 2017).

    Args:
        weights: Unused: there are none.
    """

    version: ClassVar[int] = 1
    dimension = len(NAMES)

    def __init__(self, weights: WeightsLocator) -> None:
        super().__init__(weights)

    def check(self) -> None:
        """There are no weights that could be missing."""

    def identity(self) -> Mapping[str, str]:
        """Features and settings."""
        return {
            "features": f"{len(NAMES)} radiomic, as pyradiomics 3.1",
            "settings": f"frd-score 1.0.1, 2D: deviation {SCALE:g}, half resolution, bins of {BIN_WIDTH:g}",
        }

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images as float64 (N, 394), in the order of ``NAMES``.

        Raises:
            ScoreError: Not such images, or smaller than 8 pixels.
        """
        return radiomic_features(images)


def radiomic_features(images: NDArray[np.uint8]) -> Values:
    """Features of uint8 (N, C, H, W) images as float64 (N, 394), in the order of ``NAMES``.

    Raises:
        ScoreError: Not such images, or smaller than 8 pixels.
    """
    check_images(images)
    height, width = images.shape[2:]
    if min(height, width) < SMALLEST:
        raise ScoreError(
            f"images of {height} x {width} pixels", needed=f"at least {SMALLEST} for radiomic features"
        )
    rows, columns = inside(height, width)
    step = max(1, _AT_ONCE // (rows.stop * columns.stop))
    parts = [_features(images[start : start + step]) for start in range(0, len(images), step)]
    return np.concatenate(parts) if parts else np.empty((0, len(NAMES)))


def _features(images: NDArray[np.uint8]) -> Values:
    stored = grey(np.asarray(images))
    small = resampled(normalised(stored))
    rows, columns = inside(*stored.shape[1:])
    masked = small[:, rows, columns]
    ranges = [_range(stored), _range(small), _range(masked)]
    each = [masked, *wavelet_parts(small)[:, :, rows, columns]]
    # Image by image, so that what belongs together lies together.
    texture = _texture(np.stack(each, axis=1).reshape(-1, *masked.shape[1:]))
    return np.concatenate([*ranges, texture.reshape(len(images), -1)], axis=1)


def _texture(images: Values) -> Values:
    """Features of (R, h, w) images in the order of ``_CLASSES``, float64 (R, n)."""
    levels = grey_levels(images)
    classes = [
        firstorder.first_order(images, levels),
        glcm.co_occurrence(levels),
        glrlm.run_lengths(levels),
        glszm.size_zones(levels),
        ngtdm.tone_differences(levels),
    ]
    return np.concatenate(classes, axis=1)


def _range(images: Values) -> Values:
    axes = (1, 2)
    return np.stack([images.mean(axis=axes), images.min(axis=axes), images.max(axis=axes)], axis=1)
