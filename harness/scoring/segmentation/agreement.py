"""How well segmentations agree with the truth, patient by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...api import UNKNOWN_LABEL

MEASURES = ("dice", "hd95")


def agreement(
    seen: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    patients: NDArray[np.str_],
    structures: Mapping[str, Sequence[int]],
) -> NDArray[np.float64]:
    """Dice and HD95 of every structure in every patient who has it: float64 (2, structures, patients).

    Dice is of all slices of a patient together. HD95 is the mean over the slices that show the structure: 2D,
    in pixels, and where nothing was seen the diagonal of the image. NaN for a patient without it. Pixels of
    unknown label count as nothing on both sides.

    Args:
        seen: uint8 (N, 1, H, W) labels.
        truth: The same, with ``UNKNOWN_LABEL`` where nobody knows.
        patients: (N,); results are in the order of ``np.unique``.
        structures: The labels whose union each is.
    """
    people, whose = np.unique(patients, return_inverse=True)
    found = np.full((len(MEASURES), len(structures), len(people)), np.nan)
    for row, members in enumerate(structures.values()):
        is_true = np.isin(truth, list(members))[:, 0]
        is_seen = (np.isin(seen, list(members)) & (truth != UNKNOWN_LABEL))[:, 0]
        for patient in range(len(people)):
            own = whose == patient
            if is_true[own].any():
                found[0, row, patient] = dice(is_seen[own], is_true[own])
                shown = [pair for pair in zip(is_seen[own], is_true[own], strict=True) if pair[1].any()]
                found[1, row, patient] = np.mean([hd95(*pair) for pair in shown])
    return found


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|), from 0 to 1, of two sets of pixels that are not both empty (Dice 1945)."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def hd95(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """95th percentile of the distances between two outlines (H, W), in pixels: the larger of both directions.

    The diagonal of the image where one of them is empty, which is as far as anything can be.

    Source: Huttenlocher et al. 1993 for the distance, with the 95th percentile in place of the maximum.
    """
    if not first.any() or not second.any():
        return float(np.hypot(*first.shape))
    outlines = [shape & ~ndimage.binary_erosion(shape) for shape in (first, second)]
    distances = [ndimage.distance_transform_edt(~outline) for outline in outlines]
    there, back = distances[1][outlines[0]], distances[0][outlines[1]]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))
