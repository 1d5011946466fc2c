"""What a DICOM file says of itself: whom it shows, and how its pixels are to be understood. Needs pydicom."""

from __future__ import annotations

import functools
import importlib
import mmap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.api import ChoiceError, DataError

from .scale import Window
from .space import Plane

#: Of an enhanced file, each group of elements is a sequence, for all frames or for one of them.
_GROUPS = (
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PixelMeasuresSequence",
    "PlaneOrientationSequence",
)
_FRAME_ELEMENTS = (
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PixelSpacing", "ImageOrientationPatient",
)  # fmt: skip
_PALETTE = (
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue")
      for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)  # fmt: skip
_HEADER = (
    *_FRAME_ELEMENTS, *_PALETTE, "PatientID", "StudyInstanceUID", "Modality", "SeriesDescription",
    "SOPClassUID", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "PresentationLUTShape", "PresentationLUTSequence", "ImagerPixelSpacing",
    "PixelAspectRatio", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
#: Transfer syntaxes: PS3.5, annex A.
_IMPLICIT, _EXPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
_PIXEL_DATA = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


class Transform(NamedTuple):
    """What makes values in a unit, or greys, of a frame's stored numbers.

    Attributes:
        slope: What to multiply stored numbers with; None for no rescale.
        intercept: What to add then.
        modality_lut: A pydicom dataset with the table that replaces the rescale, or None.
        voi_lut: A pydicom dataset with the table that replaces a window, or None.
    """

    slope: float | None
    intercept: float | None
    modality_lut: Any
    voi_lut: Any


class Pixels(NamedTuple):
    """Where a file's pixels are, and what they mean: enough to decode them without a second look around.

    Attributes:
        syntax: Transfer syntax.
        start: Where their first byte is in the file; None where the file as a whole is compressed.
        count: How many bytes there are; None for all that follow.
        options: What pydicom's decoder needs to be told.
        transforms: One for all frames, or one for each.
        padding: The stored number that means that nothing was measured, and the other end of a range.
        presentation: The PresentationLUTShape; ``SEQUENCE`` for a table.
        palette: A pydicom dataset with the colours of each number, or None.
    """

    syntax: str
    start: int | None
    count: int | None
    options: dict[str, Any]
    transforms: tuple[Transform, ...]
    padding: tuple[int, ...]
    presentation: str
    palette: Any


class DicomHeader(NamedTuple):
    """What a file says of itself, without its pixels.

    Attributes:
        patient: Its patient id, or nothing.
        study: Its study, or nothing.
        modality: Such as ``CT``.
        unit: What its values measure: those of one patient in one unit are shown on one scale.
        windows: Each frame's window; none where the file names none.
        plane: The plane of its frames, where it tells and they agree.
        shape: Rows and columns.
        spacing: Size of a pixel, down and across, where it tells.
        in_mm: Whether that is in mm, or only their ratio.
        no_image: Why it can't be shown as an image; nothing for one that can.
        pixels: How to read what it shows; None for what can't be shown.
    """

    patient: str
    study: str
    modality: str
    unit: str
    windows: tuple[Window, ...]
    plane: Plane | None
    shape: tuple[int, int]
    spacing: tuple[float, float] | None
    in_mm: bool
    no_image: str
    pixels: Pixels | None


def read_header(path: Path) -> DicomHeader:
    """Read everything but the pixels.

    Raises:
        DataError: pydicom is not installed, or the file is damaged.
    """
    with reading(path) as pydicom, path.open("rb") as raw:
        # Mapped, because pydicom asks for the place in a file with every element.
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            file = pydicom.dcmread(content, stop_before_pixels=True, specific_tags=_tags(), force=True)
            place = _place(file, content)
        frames = list(_frames(file))
        modality = _word(file, "Modality")
        is_hounsfield = modality == "CT" or any(_word(frame, "RescaleType") == "HU" for frame in frames)
        planes = {_plane(frame) for frame in frames}
        no_image = _no_image(file)
        spacing, in_mm = _spacing(file, frames[0])
        return DicomHeader(
            _word(file, "PatientID"),
            _word(file, "StudyInstanceUID"),
            modality,
            "HU" if is_hounsfield else f"{modality} {_word(file, 'SeriesDescription')}",
            tuple(window for frame in frames if (window := _window(file, frame)) is not None),
            planes.pop() if len(planes) == 1 else None,
            (int(file.get("Rows") or 0), int(file.get("Columns") or 0)),
            spacing,
            in_mm,
            no_image,
            None if no_image or place is None else _pixels(file, frames, place),
        )


@functools.cache
def _tags() -> list[int]:
    tag = importlib.import_module("pydicom.datadict").tag_for_keyword
    return [tag(name) for name in _HEADER]


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Give pydicom, and let errors name the file."""
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as error:
        raise ChoiceError(
            f"{path} is a DICOM file, and pydicom is not installed", hint="pip install 'hagan-bench[dicom]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many real files break the standard in harmless ways
            yield pydicom
    except DataError as error:
        raise type(error)(f"{path} {error.found}", needed=error.needed, hint=error.hint) from error
    except Exception as error:  # damaged elements raise almost anything
        reason = f"{path} can't be decoded: {error or type(error).__name__}"
        if isinstance(error, NotImplementedError) or "missing dependencies" in str(error):
            raise ChoiceError(
                reason,
                needed="a transfer syntax that pydicom decodes",
                hint="pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
            ) from error
        raise DataError(reason, needed="a complete DICOM image", hint="get this file again") from error


def _no_image(file: Any) -> str:
    """Why a file can't be shown as an image; nothing for one that can."""
    if _word(file, "SOPClassUID") == _SEGMENTATION:
        return "a mask: a DICOM segmentation"
    if file.get("Rows") and file.get("Columns"):
        return ""
    if not _word(file, "SOPClassUID"):  # whatever has no pixels on purpose says what it is
        raise ValueError("it has neither pixels nor a SOPClassUID")
    return "a DICOM file without pixels"


class _Place(NamedTuple):
    """Where a file's pixels begin and how many bytes they have; None where they can't be cut out of it."""

    start: int | None
    count: int | None
    keyword: str
    representation: str


def _place(file: Any, content: Any) -> _Place | None:
    """Where the pixels of a file are that was read up to them: PS3.5, 7.1; None where it ends before."""
    if file.file_meta.get("TransferSyntaxUID") == _DEFLATED:
        return _Place(None, None, "PixelData", "OW")
    is_implicit, is_little = file.original_encoding
    order: Any = "little" if is_little else "big"
    head = content.read(8)
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if len(head) < 8 or tag not in _PIXEL_DATA:
        return None
    length = int.from_bytes(head[4:] if is_implicit else content.read(4), order)
    kind = "OW" if is_implicit else head[4:6].decode("latin-1")
    return _Place(content.tell(), None if length == 0xFFFFFFFF else length, _PIXEL_DATA[tag], kind)


def _pixels(file: Any, frames: list[Any], place: _Place) -> Pixels:
    """How to read the pixels of a file."""
    # Files without a preamble tell no transfer syntax; pydicom has seen how they are written.
    is_implicit, is_little = file.original_encoding
    guess = _IMPLICIT if is_implicit else _EXPLICIT if is_little else _BIG_ENDIAN
    options = importlib.import_module("pydicom.pixels.utils").as_pixel_options(file)
    ends = [file.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    presentation = _word(file, "PresentationLUTShape").upper()
    is_palette = _word(file, "PhotometricInterpretation") == "PALETTE COLOR"
    return Pixels(
        str(file.file_meta.get("TransferSyntaxUID") or guess),
        place.start,
        place.count,
        options | {"pixel_keyword": place.keyword, "pixel_vr": place.representation},
        tuple(_transform(file, frame) for frame in frames),
        () if ends[0] is None else tuple(int(end) for end in ends if end is not None),
        "SEQUENCE" if file.get("PresentationLUTSequence") else presentation,
        _part(file, file, _PALETTE) if is_palette else None,
    )


def _transform(file: Any, frame: Any) -> Transform:
    slope, intercept = frame.get("RescaleSlope"), frame.get("RescaleIntercept")
    return Transform(
        None if slope is None else float(slope),
        None if intercept is None else float(intercept),
        _part(file, frame, ("ModalityLUTSequence",)) if frame.get("ModalityLUTSequence") else None,
        _part(file, frame, ("VOILUTSequence",)) if frame.get("VOILUTSequence") else None,
    )


def _part(file: Any, header: Any, names: Iterable[str]) -> Any:
    """Some elements, with the order of bytes of the file that they come from."""
    part = importlib.import_module("pydicom").Dataset()
    part.set_original_encoding(*file.original_encoding)
    for name in names:
        if name in header:
            part[name] = header[name]
    return part


def _frames(file: Any) -> Iterator[Any]:
    """One header for all frames; of an enhanced file, one for each, what is shared joined to its own."""
    shared = file.get("SharedFunctionalGroupsSequence") or ()
    own = file.get("PerFrameFunctionalGroupsSequence") or ()
    if not shared and not own:
        yield file
        return
    general = _joined(file, shared)
    for item in own:
        yield _joined(general, [item])
    if not own:
        yield general


def _joined(under: Any, items: Iterable[Any]) -> Any:
    """The elements of which frames may differ, from functional groups over those of a header."""
    joined = importlib.import_module("pydicom").Dataset()
    groups = [group[0] for item in items for name in _GROUPS if (group := item.get(name))]
    for name in _FRAME_ELEMENTS:
        for header in (under, *groups):
            if name in header:
                joined[name] = header[name]
    return joined


def _window(file: Any, frame: Any) -> Window | None:
    """The window that a frame names first; of 8 bits in no unit, the whole of them."""
    if frame.get("WindowCenter") is not None and frame.get("WindowWidth") is not None:
        centre, width = _first(frame.WindowCenter), _first(frame.WindowWidth)
        function = _word(frame, "VOILUTFunction")
        if function not in ("LINEAR_EXACT", "SIGMOID"):  # PS3.3, C.11.2.1.2.1
            centre, width = centre - 0.5, width - 1.0
        width = max(width, 1e-6)
        return Window(centre - width / 2.0, centre + width / 2.0, function == "SIGMOID")
    bits = int(file.get("BitsStored") or 16)
    is_unitless = frame.get("RescaleSlope") is None and not frame.get("ModalityLUTSequence")
    return (
        Window(0.0, 2.0**bits - 1.0)
        if bits <= 8 and is_unitless and not file.get("PixelRepresentation")
        else None
    )


def _spacing(file: Any, frame: Any) -> tuple[tuple[float, float] | None, bool]:
    """Size of a pixel, down and across, and whether that is in mm or only their ratio."""
    for header, name in ((frame, "PixelSpacing"), (file, "ImagerPixelSpacing"), (file, "PixelAspectRatio")):
        value = header.get(name)
        if value is not None and len(value) == 2:
            return (float(value[0]), float(value[1])), name != "PixelAspectRatio"
    return None, False


def _plane(frame: Any) -> Plane | None:
    """The plane whose normal is nearest to that of a frame."""
    directions = frame.get("ImageOrientationPatient")
    if directions is None or len(directions) != 6:
        return None
    row, column = np.array(directions, dtype=np.float64).reshape(2, 3)
    return _PLANES[int(np.abs(np.cross(row, column)).argmax())]


def _word(file: Any, name: str) -> str:
    return str(file.get(name) or "").strip()


def _first(value: Any) -> float:
    """Files may name several windows; the first is the default."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
