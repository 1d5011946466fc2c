"""Decode ordinary image files, by their content and not by their name."""

from __future__ import annotations

import io
import itertools
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from harness.api import DataError, pass_on_shortage

from .colour import as_grey
from .deep_colour import deep_colour, is_deep, raw_mode
from .plain_tiff import plain_stacks
from .scale import Stack, Window, checked_floats
from .space import upright

_SAMPLES, _BITS, _PHOTOMETRIC, _SUBFILE, _ORIENTATION = 339, 258, 262, 254, 274  # TIFF 6.0, section 8; EXIF
_SIGNED = 2
#: What Pillow's wide modes were in the file, by TIFF's sample format and bits.
_KINDS = {("I", 1, 32): "uint32", ("I", 2, 16): "int16"}
_SWAPPED = {"F;32BF": "f4", "I;32BS": "i4", "I;32B": "i4", "I;16BS": "i2"}
_PLANES = 284
_ORDERS = {b"II": "little", b"MM": "big"}
#: A second picture in these is a preview of the first, or its neighbour for the other eye.
_ONE_PAGE = ("MPO", "ICO", "ICNS")

# Pillow knows white-is-zero at 8 bits only, where it inverts. Deeper ones are the same to decode.
for _key, _modes in list(TiffImagePlugin.OPEN_INFO.items()):
    if _key[1] == 1:
        TiffImagePlugin.OPEN_INFO.setdefault((_key[0], 0, *_key[2:]), _modes)


class GreyPage(NamedTuple):
    """A picture (H, W) in [0, 1], how its file stores it, and what it lost: its colours, or nothing."""

    pixels: NDArray[np.float32]
    mode: str
    conversion: str


def grey_pages(content: bytes, name: str) -> Iterator[GreyPage]:
    """Decode an image file to grey, where its type says what is white.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Raises:
        DataError: It is no image, a damaged one, or one of which nobody knows what is white.
    """
    for page in pages(content, name):
        white = page.white or (65535.0 if page.starts_at_zero else None)
        if white is None:
            raise DataError(f"{name} holds {page.mode} pixels, of which nobody knows what is white")
        (pixels,) = page.greys(Window(0.0, white))
        grey, lost = (pixels, "") if pixels.ndim == 2 else as_grey(pixels, is_8_bit=white == 255.0)
        yield GreyPage(grey, page.mode, lost)


def pages(content: bytes, name: str) -> Iterator[Stack]:
    """Decode an image file: every picture in it that is not a smaller copy of another.

    Nothing is rescaled per image. Turned as EXIF says. What is transparent lies on black, as air does.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Yields:
        One picture each. White is known where the file has 8 bits; it is not where it has more, for then
        scanners leave part of the range empty, and not where values are signed or floats.

    Raises:
        DataError: It is no image, or a damaged one.
    """
    with _named(name):
        try:
            image = Image.open(io.BytesIO(content))
        except UnidentifiedImageError as error:
            if not _is_whole_tiff(content):
                raise ValueError("it is no image, or a damaged one") from error
            yield from plain_stacks(content, name)
            return
        count = 1 if image.format in _ONE_PAGE else getattr(image, "n_frames", 1)
    for page in range(count):
        with _named(name):
            image.seek(page)
            kind = _tag(getattr(image, "tag_v2", {}), _SUBFILE) or 0
            if page and kind & 0b101:  # a smaller copy, or what is transparent
                continue
            stack = _decoded(image, content, name, page)
        yield stack


def is_more_than_8_bits(content: IO[bytes]) -> bool:
    """Whether an image file's type leaves open what is white; False for what is no image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(content)
            return is_deep(image) or (image.mode.startswith("I") and image.format != "PPM")
    except UnidentifiedImageError:
        content.seek(0)
        return content.read(2) in _ORDERS
    except Exception as error:  # damaged bytes: whoever reads the pixels says so
        pass_on_shortage(error)
        return False


def _is_whole_tiff(content: bytes) -> bool:
    """Whether a file begins as TIFF does and has its first directory: then it may be of a rare kind."""
    order = _ORDERS.get(content[:2])
    return order is not None and 8 <= int.from_bytes(content[4:8], order) < len(content) - 2  # type: ignore[arg-type]


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let errors of the decoder name the file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of images so large that they may be an attack: refuse those.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except DataError:
        raise
    except Image.DecompressionBombWarning as error:
        raise DataError(f"{name} can't be decoded: {error}", needed="an image of fewer pixels") from error
    # Damaged bytes make Pillow's many decoders raise almost anything.
    except Exception as error:
        pass_on_shortage(error)
        raise DataError(
            f"{name} can't be decoded: {error or type(error).__name__}",
            needed="a complete image file of a kind that Pillow reads",
            hint="get this file again",
        ) from error


def _decoded(image: Image.Image, content: bytes, name: str, page: int) -> Stack:
    mode, tags = image.mode, getattr(image, "tag_v2", {})
    if is_deep(image) and _tag(tags, _PLANES) == 2:
        return next(itertools.islice(plain_stacks(content, name), page, None))
    if is_deep(image):
        return _stack(image, deep_colour(content, name, page), f"{mode};16", None)
    swapped = _swapped(image)
    image.load()
    is_white_zero = _tag(tags, _PHOTOMETRIC) == 0
    if _tag(tags, _SAMPLES) == _SIGNED and mode == "L":
        signed = np.asarray(image).view(np.int8).astype(np.float32)
        return _stack(image, signed, "int8", None, is_white_zero)
    if mode in ("I", "F") or mode.startswith("I;16"):
        pixels = np.asarray(image)
        pixels = pixels.astype(swapped).byteswap() if swapped else pixels
        known = {"F": "float32", "I": "uint16" if image.format == "PPM" else "int32"}.get(mode, "uint16")
        kind = _KINDS.get((mode, _tag(tags, _SAMPLES) or 1, _tag(tags, _BITS) or 0), known)
        values = pixels.astype(kind).astype(np.float32)
        if kind == "float32":
            floats = checked_floats(values, name)
            return _stack(image, floats.values, kind, floats.white, is_white_zero, floats.nothing)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            values[pixels == transparent] = 0.0
        white = 65535.0 if image.format == "PPM" else None  # Pillow stretches to it what the file calls white
        return _stack(image, values, kind, white, is_white_zero)
    if mode in ("RGBA", "LA", "PA", "P", "RGBa", "La") or "transparency" in image.info:
        whole = image.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", whole.size, (0, 0, 0, 255)), whole)
    else:
        shown = image
    kind = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    pixels = np.asarray(shown.convert(kind), dtype=np.float32)
    return _stack(image, pixels, mode, 255.0)


def _swapped(image: Any) -> str | None:
    """The type whose bytes Pillow swaps again after libtiff, as of compressed big-endian files."""
    is_by_libtiff = any(tile.codec_name == "libtiff" for tile in image.tile[:1])
    return _SWAPPED.get(raw_mode(image.tile[0])) if is_by_libtiff and sys.byteorder == "little" else None


def _stack(
    image: Image.Image,
    pixels: NDArray[np.float32],
    mode: str,
    white: float | None,
    is_inverted: bool = False,
    nothing: NDArray[np.bool_] | None = None,
) -> Stack:
    turn = image.getexif().get(_ORIENTATION)
    return Stack(
        upright(pixels, turn)[None],
        mode,
        white,
        is_inverted,
        None if nothing is None else upright(nothing, turn)[None],
    )


def _tag(tags: Any, number: int) -> int | None:
    """The first value of a TIFF tag."""
    value: Any = tags.get(number)
    first = value[0] if isinstance(value, tuple) and value else value
    return None if first is None else int(first)
