"""Where the pixels of a DICOM file are, and what they mean: all that decoding them needs to know."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

PALETTE = (
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue")
      for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)  # fmt: skip
#: Transfer syntaxes: PS3.5, annex A.
_IMPLICIT, _EXPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_DATA = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


class Transform(NamedTuple):
    """What makes values in a unit, or greys, of a frame's stored numbers.

    Attributes:
        rescale: What to multiply stored numbers with, and what to add then; None for nothing.
        modality_lut: A pydicom dataset with the table that replaces the rescale, or None.
        voi_lut: A pydicom dataset with the table that replaces a window, or None.
    """

    rescale: tuple[float, float] | None
    modality_lut: Any
    voi_lut: Any


class Pixels(NamedTuple):
    """Where a file's pixels are, and what they mean: enough to decode them without a second look around.

    Attributes:
        syntax: Transfer syntax.
        start: Where their first byte is in the file; None where the file as a whole is compressed.
        length: How many bytes there are; None for all that follow.
        options: What pydicom's decoder needs to be told.
        transforms: One for all frames, or one for each.
        shift: How many bits below the lowest one that counts are not part of a number.
        padding: The stored number that means that nothing was measured, and the other end of a range.
        presentation: The PresentationLUTShape; ``SEQUENCE`` for a table.
        palette: A pydicom dataset with the colours of each number, or None.
    """

    syntax: str
    start: int | None
    length: int | None
    options: dict[str, Any]
    transforms: tuple[Transform, ...]
    shift: int
    padding: tuple[int, ...]
    presentation: str
    palette: Any


class Place(NamedTuple):
    """Where a file's pixels begin and how many bytes they have; None where they can't be cut out of it."""

    start: int | None
    length: int | None
    keyword: str
    representation: str


def place_of(file: Any, content: Any) -> Place | None:
    """Where the pixels of a file are that was read up to them: PS3.5, 7.1; None where it ends before."""
    if file.file_meta.get("TransferSyntaxUID") == DEFLATED:
        return Place(None, None, "PixelData", "OW")
    is_implicit, is_little = file.original_encoding
    order: Any = "little" if is_little else "big"
    head = content.read(8)
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if len(head) < 8 or tag not in _PIXEL_DATA:
        return None
    length = int.from_bytes(head[4:] if is_implicit else content.read(4), order)
    kind = "OW" if is_implicit else head[4:6].decode("latin-1")
    return Place(content.tell(), None if length == 0xFFFFFFFF else length, _PIXEL_DATA[tag], kind)


def pixels_of(file: Any, frames: list[Any], place: Place) -> Pixels:
    """How to read the pixels of a file."""
    # Files without a preamble tell no transfer syntax; pydicom has seen how they are written.
    is_implicit, is_little = file.original_encoding
    guess = _IMPLICIT if is_implicit else _EXPLICIT if is_little else _BIG_ENDIAN
    options = importlib.import_module("pydicom.pixels.utils").as_pixel_options(file)
    syntax = str(file.file_meta.get("TransferSyntaxUID") or guess)
    ends = [file.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    presentation = word(file, "PresentationLUTShape").upper()
    is_palette = word(file, "PhotometricInterpretation") == "PALETTE COLOR"
    return Pixels(
        syntax,
        place.start,
        place.length,
        options | {"pixel_keyword": place.keyword, "pixel_vr": place.representation},
        tuple(_transform(file, frame) for frame in frames),
        _shift(file) if syntax in (_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, DEFLATED) else 0,
        () if ends[0] is None else tuple(int(end) for end in ends if end is not None),
        "SEQUENCE" if file.get("PresentationLUTSequence") else presentation,
        _part(file, file, PALETTE) if is_palette else None,
    )


def _shift(file: Any) -> int:
    """Old files may keep 12 bits in the upper ones of 16, HighBit being 15: PS3.5 of 2011, 8.1.1."""
    allocated, stored, high = (file.get(name) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    if allocated is None or stored is None or high is None or not stored <= high + 1 <= allocated:
        return 0
    return int(high) + 1 - int(stored)


def _transform(file: Any, frame: Any) -> Transform:
    slope, intercept = frame.get("RescaleSlope"), frame.get("RescaleIntercept")
    is_rescaled = slope is not None or intercept is not None
    return Transform(
        (1.0 if slope is None else float(slope), float(intercept or 0.0)) if is_rescaled else None,
        _table(file, frame, "ModalityLUTSequence"),
        _table(file, frame, "VOILUTSequence"),
    )


def _table(file: Any, frame: Any, name: str) -> Any:
    """A dataset with one lookup table, in words even where its file packs two entries in each."""
    if not frame.get(name):
        return None
    item = frame.get(name)[0]
    content = item.get("LUTData")
    entries = int(item.LUTDescriptor[0]) or 1 << 16
    if isinstance(content, bytes) and len(content) == entries + entries % 2 and entries > 1:
        order = "<" if file.original_encoding[1] else ">"
        item.LUTData = np.frombuffer(content, np.uint8, entries).astype(f"{order}u2").tobytes()
    return _part(file, frame, (name,))


def _part(file: Any, header: Any, names: Iterable[str]) -> Any:
    """Some elements, with the order of bytes of the file that they come from."""
    part = importlib.import_module("pydicom").Dataset()
    part.set_original_encoding(*file.original_encoding)
    for name in names:
        if name in header:
            part[name] = header[name]
    return part


def word(file: Any, name: str) -> str:
    """An element as text; nothing where it is absent or empty."""
    return str(file.get(name) or "").strip()
