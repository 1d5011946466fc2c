"""TIFF files that Pillow doesn't know, if their values lie there plainly: other floats, planes, alpha."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from harness.api import DataError, check_bytes

from .scale import Stack, checked_floats
from .space import upright

#: Tags of TIFF 6.0, section 8, and of its supplements.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STARTS, _ORIENTATION, _SAMPLES, _COUNTS, _PLANES = 273, 274, 277, 279, 284
_PREDICTOR, _EXTRA, _FORMAT = 317, 338, 339
_ALPHA = 2
_NONE, _DEFLATE = (1,), (8, 32946)
_LETTERS = {1: "u", 2: "i", 3: "f"}


def plain_stacks(content: bytes, name: str) -> Iterator[Stack]:
    """Every picture of a file, a stack each.

    Raises:
        DataError: It is compressed, tiled or packed in another way, or of colours that aren't RGB.
    """
    directory: Any = ImageFileDirectory_v2(content[: 16 if content[2] == 43 else 8])
    file, after, seen = io.BytesIO(content), directory.next, set[int]()
    while after and after not in seen:
        seen.add(after)
        file.seek(after)
        directory.load(file)
        tags, after = dict(directory.items()), directory.next
        yield _stack(_values(content, name, tags, directory._endian), name, tags)


def _stack(stored: NDArray[Any], name: str, tags: dict[int, Any]) -> Stack:
    """One picture as values of its type; what is transparent lies on black."""
    photometric, kind = tags.get(_PHOTOMETRIC), str(stored.dtype.newbyteorder("="))
    channels = 3 if photometric == 2 else 1
    values = stored.astype(np.float32)
    if photometric not in (0, 1, 2) or values.shape[2] < channels:
        raise DataError(
            f"{name} is a TIFF of PhotometricInterpretation {photometric} and {kind}", needed="grey or RGB"
        )
    shown = values[..., 0] if channels == 1 else values[..., :3]
    if (tags.get(_EXTRA) or (0,))[0] == _ALPHA and values.shape[2] > channels:
        seen = values[..., channels] / (1.0 if stored.dtype.kind == "f" else np.iinfo(stored.dtype).max)
        shown = shown * (seen if channels == 1 else seen[..., None])
    white, nothing = 255.0 if kind == "uint8" else None, None
    if stored.dtype.kind == "f":
        shown, nothing, white = checked_floats(np.ascontiguousarray(shown), name)
    turn = tags.get(_ORIENTATION)
    return Stack(
        upright(shown, turn)[None],
        "RGB;16" if (channels, kind) == (3, "uint16") else kind,
        white,
        photometric == 0,
        None
        if nothing is None
        else upright(nothing if channels == 1 else np.logical_or.reduce(nothing, axis=2), turn)[None],
    )


def _values(content: bytes, name: str, tags: dict[int, Any], order: str) -> NDArray[Any]:
    bits, formats = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))
    samples, is_planar = int(tags.get(_SAMPLES, 1)), tags.get(_PLANES, 1) == 2
    compression = tags.get(_COMPRESSION, 1)
    letter = _LETTERS.get(formats[0])
    is_plain = compression in (*_NONE, *_DEFLATE) and tags.get(_PREDICTOR, 1) == 1 and _STARTS in tags
    is_even = len(set(bits)) == len(set(formats)) == 1 and bits[0] in (8, 16, 32, 64)
    if letter is None or not is_plain or not is_even or (letter == "f" and bits[0] == 8):
        raise DataError(
            f"{name} is a TIFF of {samples} x {bits[0]} bits, sample format {formats[0]}, compression "
            f"{compression}, which is not read",
            needed="whole numbers or floats of 8 to 64 bits in strips, not compressed or by deflate",
            hint="save it again without compression, or as PNG, or by numpy.save",
        )
    kind = np.dtype(f"{order}{letter}{bits[0] // 8}")
    height, width = int(tags[_HEIGHT]), int(tags[_WIDTH])
    shape = (samples, height, width) if is_planar else (height, width, samples)
    size = math.prod(shape) * kind.itemsize
    check_bytes(max(size, 4 * math.prod(shape)), f"{name}, as floats,", DataError)
    stored = _strips(content, tags, size, is_packed=compression in _DEFLATE)
    if len(stored) < size:
        raise ValueError(f"{len(stored)} bytes can't hold {shape} values of {kind}")
    values = np.frombuffer(stored, kind, math.prod(shape)).reshape(shape)
    pixels = np.moveaxis(values, 0, 2) if is_planar else values
    return pixels


def _strips(content: bytes, tags: dict[int, Any], most: int, *, is_packed: bool) -> bytes:
    """All strips after one another, no more than so many bytes."""
    parts, total = [], 0
    for start, count in zip(tags[_STARTS], tags[_COUNTS], strict=True):
        part = content[start : start + count]
        part = zlib.decompressobj().decompress(part, max(1, most - total)) if is_packed else part
        parts.append(part[: most - total])
        total += len(parts[-1])
    return b"".join(parts)
