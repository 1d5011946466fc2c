"""Decode ordinary image files to grey float32, by their content and not by their name."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import DataError

#: Deep greys by Pillow's mode, and the value that is white.
_DEEP = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I;16N": 65535.0}


def grey_pixels(content: bytes, name: str) -> tuple[NDArray[np.float32], str]:
    """Decode an image file.

    Colours become grey by the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, as everywhere; what is
    transparent lies on black, as air does. Nothing is rescaled per image: full scale of the file's own
    type (255 or 65535) is 1.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Returns:
        float32 (H, W) in [0, 1], and the mode in which the file stores its pixels, such as ``RGB``.

    Raises:
        DataError: It is no image, or a damaged one.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of images so large that they may be an attack, and of odd metadata.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module="PIL")
            with Image.open(io.BytesIO(content)) as image:
                mode = image.mode
                image.load()
                return _to_grey(image), mode
    # Damaged bytes make Pillow's many decoders raise almost anything.
    except Exception as error:
        raise DataError(
            f"{name} can't be decoded: {error}" if str(error) else f"{name} can't be decoded",
            needed="a complete PNG, JPEG or TIFF image",
            hint="get this file again",
        ) from error


def _to_grey(image: Image.Image) -> NDArray[np.float32]:
    if image.mode in _DEEP:
        return np.asarray(image, dtype=np.float32) / np.float32(_DEEP[image.mode])
    if image.mode in ("I", "F"):
        pixels = np.asarray(image, dtype=np.float32)
        # Some versions of Pillow open 16-bit PNG as 32-bit integers; a true 32-bit range is unknown.
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"{image.mode} pixels have no known white")
        return pixels / np.float32(65535.0)
    if image.mode in ("RGBA", "LA", "PA", "P") or "transparency" in image.info:
        colour = image.convert("RGBA")
        black = Image.new("RGBA", colour.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, colour)
    return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255.0)
