"""Planes of a segmentation, with the labels of its files as those of the data set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError

from .nifti import Volume, as_shown


def label_plane(volume: Volume, z: int, meanings: Mapping[int, int]) -> NDArray[np.uint8]:
    """One plane of a segmentation as it is shown, (y, x).

    Args:
        volume: The segmentation.
        z: Which plane.
        meanings: The data set's number of each label in the file; 0 is nothing in both.

    Raises:
        DataError: There is another label.
    """
    stored = as_shown(volume.values(slice(None), slice(None), z))
    numbers = np.zeros(stored.shape, np.uint8)
    if not stored.any():
        return numbers
    # Labels scaled by a header's slope are whole numbers but for rounding.
    is_known = np.abs(stored) < 0.01
    for value, number in meanings.items():
        here = np.abs(stored - value) < 0.01
        numbers[here] = number
        is_known |= here
    if not is_known.all():
        raise DataError(
            f"{volume.path} has the label {stored[~is_known][0]:g} in slice {z}",
            needed=f"0, {', '.join(map(str, meanings))}",
            hint="see whether the file is of this data set, and of this edition of it",
        )
    return numbers
