"""Colours of 16 bits, of which Pillow keeps 8."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import DataError

_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
#: How Pillow calls the order of two bytes, and which of them it takes for the high one.
_ORDERS = {"L": "little", "B": "big", "N": sys.byteorder}


def is_deep(image: Any) -> bool:
    """Whether an image that was opened, and not loaded, stores 16 bits a colour."""
    if image.format == "TIFF" and image.mode in ("RGB", "RGBA", "CMYK"):
        bits: tuple[int, ...] = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))
        return max(bits) > 8
    return (
        image.format == "PNG"
        and any(raw_mode(tile).endswith(";16B") for tile in image.tile[:1])
        and (image.mode != "I;16")
    )


def deep_colour(content: bytes, name: str, page: int = 0) -> NDArray[np.float32]:
    """Red, green and blue of an image file, (H, W, 3) from 0 to 65535; what is transparent lies on black.

    Pillow decodes such a file to the high byte of each value. Told that the bytes have the other order, it
    decodes to the low one; the two together are what the file holds.

    Raises:
        DataError: It stores them in a way of which this does not hold.
    """
    image = _opened(content, page)
    raw = raw_mode(image.tile[0]) if image.tile else ""
    if raw == "LA;16B":  # which has no other order; as four bytes it is what it holds
        grey_high, grey_low, alpha_high, alpha_low = np.moveaxis(_decoded(image, "RGBA", "RGBA"), 2, 0)
        grey, alpha = grey_high << 8 | grey_low, alpha_high << 8 | alpha_low
        return np.repeat((grey * (alpha / np.float32(65535.0)))[..., None], 3, axis=2).astype(np.float32)
    kind, _, order = raw.partition(";16")
    if kind not in ("RGB", "RGBA", "RGBa", "RGBX") or order not in _ORDERS:
        raise DataError(
            f"{name} holds colours of 16 bits in an order that is not read ({raw or image.mode})",
            hint="save it as 16-bit PNG, or in grey",
        )
    mode = "RGB" if kind == "RGB" else "RGBA"
    little, big = (_decoded(_opened(content, page), mode, f"{mode};16{taken}") for taken in "LB")
    high, low = (little, big) if _ORDERS[order] == "little" else (big, little)
    values = (high << 8 | low).astype(np.float32)
    if kind == "RGBA":  # of RGBa, colours are multiplied with alpha already; of RGBX, there is none
        values[..., :3] *= values[..., 3:] / np.float32(65535.0)
    return np.ascontiguousarray(values[..., :3])


def _opened(content: bytes, page: int) -> Any:
    image = Image.open(io.BytesIO(content))
    image.seek(page)
    return image


def _decoded(image: Any, mode: str, raw_mode: str) -> NDArray[np.uint16]:
    """One byte of each value, as another type so that two can be joined."""
    image._mode = mode
    image.tile = [tile._replace(args=_with_raw_mode(tile.args, raw_mode)) for tile in image.tile]
    image.load()
    return np.asarray(image).astype(np.uint16)


def raw_mode(tile: Any) -> str:
    """How Pillow calls the way in which a part of a file is stored."""
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _with_raw_mode(arguments: Any, raw_mode: str) -> Any:
    return raw_mode if isinstance(arguments, str) else (raw_mode, *arguments[1:])
