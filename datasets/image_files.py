"""Decode ordinary image files to grey float32, by their content and not by their name."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import DataError


def grey_pages(content: bytes, name: str) -> Iterator[tuple[NDArray[np.float32], str]]:
    """Decode an image file: one page, or all of a TIFF.

    Colours become grey by the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, as everywhere; what is
    transparent lies on black, as air does. Nothing is rescaled per image: full scale of the file's own
    type (255 or 65535) is 1.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Yields:
        float32 (H, W) in [0, 1], and the mode in which the file stores its pixels, such as ``RGB``.

    Raises:
        DataError: It is no image, or a damaged one.
    """
    with _named(name):
        image = Image.open(io.BytesIO(content))
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    for page in range(pages):
        with _named(name):
            image.seek(page)
            mode = image.mode
            image.load()
            pixels = _to_grey(image)
        yield pixels, mode


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let errors of the decoder name the file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of images so large that they may be an attack: refuse those.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    # Damaged bytes make Pillow's many decoders raise almost anything.
    except Exception as error:
        raise DataError(
            f"{name} can't be decoded: {error or type(error).__name__}",
            needed="a complete PNG, JPEG or TIFF image of 8 or 16 bits",
            hint="get this file again",
        ) from error


def _to_grey(image: Image.Image) -> NDArray[np.float32]:
    if image.mode.startswith("I;16"):
        return np.asarray(image, dtype=np.float32) / np.float32(65535.0)
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels, of which nobody knows what is white")
    if image.mode in ("RGBA", "LA", "PA", "P") or "transparency" in image.info:
        colour = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colour.size, (0, 0, 0, 255)), colour)
    return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255.0)
