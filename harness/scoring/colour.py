"""Whether two sets of images can be compared as far as colours go."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError
from .stored import check_images

#: Mean difference between the channels of a pixel, in levels of 255. Up to the first, what lossy compression
#: and rounding leave of grey; from the second on, images that anybody would call coloured. In between lie
#: the tints of models that learnt grey in three channels, and of scans.
_GREY, _COLOURED = 1.0, 16.0


def colourfulness(images: NDArray[np.uint8]) -> float:
    """Mean over all pixels of the largest minus the smallest channel, 0 to 255; 0 for one channel."""
    if images.shape[1] == 1 or not len(images):
        return 0.0
    # One by one: a whole set of differences would need a third of its memory.
    return float(np.mean([np.mean(image.max(axis=0) - image.min(axis=0)) for image in images]))


def compared_colours(
    real: NDArray[np.uint8], generated: NDArray[np.uint8], conversions: Mapping[str, int]
) -> list[str]:
    """What a reader of scores must know of colours.

    Args:
        real: uint8 (N, C, H, W) images.
        generated: uint8 (M, C, H, W) images.
        conversions: What was lost when the real images were prepared, and in how many of them.

    Raises:
        ScoreError: One side is coloured and the other grey: scores would be of that alone.
    """
    check_images(real)
    check_images(generated)
    theirs, ours = colourfulness(real), colourfulness(generated)
    lost = ", ".join(f"{name} in {count} of {len(real)}" for name, count in conversions.items())
    if theirs <= _GREY and ours >= _COLOURED:
        raise ScoreError(
            f"generated images are coloured (channels differ by {ours:.0f} of 255 levels on average), "
            f"and the real ones grey{f' ({lost})' if lost else ''}",
            needed="both grey, or both coloured",
            hint="convert the generated images to grey; or, if the real ones had colours, "
            "--set dataset.colour=rgb",
        )
    if ours <= _GREY and theirs >= _COLOURED:
        raise ScoreError(
            f"generated images are grey, and the real ones coloured (channels differ by {theirs:.0f} of 255 "
            "levels on average)",
            needed="both grey, or both coloured",
            hint="--set dataset.colour=grey, where the data set has that option",
        )
    notes = []
    if conversions:
        notes.append(
            f"real images lost something on their way ({lost}): the generated ones must have lost it too"
        )
    if min(theirs, ours) <= _GREY < max(theirs, ours):
        which = "generated" if ours > theirs else "real"
        notes.append(
            f"the {which} images are not quite grey (channels differ by {max(theirs, ours):.1f} of 255 "
            "levels on average) and the others are: a part of every distance is colour"
        )
    return notes
