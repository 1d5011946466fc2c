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

from harness.api import ChoiceError, DataError, check_bytes, pass_on_shortage

from .dicom_pixels import DEFLATED, PALETTE, Pixels, pixels_of, place_of, word
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
_HEADER = (
    *_FRAME_ELEMENTS, *PALETTE, "PatientID", "StudyInstanceUID", "Modality", "SeriesDescription",
    "SOPClassUID", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape", "PresentationLUTSequence",
    "ImagerPixelSpacing",
    "PixelAspectRatio", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")


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
            if content.find(DEFLATED.encode(), 0, 1024) >= 0:  # unpacked by pydicom, however long that is
                check_bytes(1032 * len(content), "is deflated, and unpacked", DataError)
            file = pydicom.dcmread(content, stop_before_pixels=True, specific_tags=_tags(), force=True)
            place = place_of(file, content)
        frames = list(_frames(file))
        modality = word(file, "Modality")
        is_hounsfield = modality == "CT" or any(word(frame, "RescaleType") == "HU" for frame in frames)
        planes = {_plane(frame) for frame in frames}
        no_image = _no_image(file)
        spacing, in_mm = _spacing(file, frames[0])
        return DicomHeader(
            word(file, "PatientID"),
            word(file, "StudyInstanceUID"),
            modality,
            "HU" if is_hounsfield else f"{modality} {word(file, 'SeriesDescription')}",
            tuple(window for frame in frames if (window := _window(file, frame)) is not None),
            planes.pop() if len(planes) == 1 else None,
            (int(file.get("Rows") or 0), int(file.get("Columns") or 0)),
            spacing,
            in_mm,
            no_image,
            None if no_image or place is None else pixels_of(file, frames, place),
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
        pass_on_shortage(error)
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
    if word(file, "SOPClassUID") == _SEGMENTATION:
        return "a mask: a DICOM segmentation"
    if file.get("Rows") and file.get("Columns"):
        return ""
    if not word(file, "SOPClassUID"):  # whatever has no pixels on purpose says what it is
        raise ValueError("it has neither pixels nor a SOPClassUID")
    return "a DICOM file without pixels"


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
        function = word(frame, "VOILUTFunction")
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


def _first(value: Any) -> float:
    """Files may name several windows; the first is the default."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
