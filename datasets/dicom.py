"""Read DICOM images by pydicom's own pipeline. Needs pydicom, an optional extra."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import ChoiceError, DataError

from .scale import Stack, Window
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
    *_FRAME_ELEMENTS, "PatientID", "StudyInstanceUID", "Modality", "SeriesDescription", "SOPClassUID", "Rows",
    "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored",
    "PixelRepresentation", "ImagerPixelSpacing", "PixelAspectRatio", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
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
        spacing: Size of a pixel in mm, down and across, where it tells.
        no_image: Why it can't be shown as an image; nothing for one that can.
    """

    patient: str
    study: str
    modality: str
    unit: str
    windows: tuple[Window, ...]
    plane: Plane | None
    shape: tuple[int, int]
    spacing: tuple[float, float] | None
    no_image: str


def read_header(path: Path) -> DicomHeader:
    """Read everything but the pixels.

    Raises:
        DataError: pydicom is not installed, or the file is damaged.
    """
    with _reading(path) as pydicom:
        file = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER), force=True)
        frames = list(_frames(file))
        modality = _word(file, "Modality")
        is_hounsfield = modality == "CT" or any(_word(frame, "RescaleType") == "HU" for frame in frames)
        planes = {_plane(frame) for frame in frames}
        no_image = ""
        if _word(file, "SOPClassUID") == _SEGMENTATION:
            no_image = "a mask: a DICOM segmentation"
        elif not (file.get("Rows") and file.get("Columns")):
            if not _word(file, "SOPClassUID"):  # whatever has no pixels on purpose says what it is
                raise ValueError("it has neither pixels nor a SOPClassUID")
            no_image = "a DICOM file without pixels"
        return DicomHeader(
            _word(file, "PatientID"),
            _word(file, "StudyInstanceUID"),
            modality,
            "HU" if is_hounsfield else f"{modality} {_word(file, 'SeriesDescription')}",
            tuple(window for frame in frames if (window := _window(file, frame)) is not None),
            planes.pop() if len(planes) == 1 else None,
            (int(file.get("Rows") or 0), int(file.get("Columns") or 0)),
            _spacing(file, frames[0])[0],
            no_image,
        )


def read_dicom(path: Path, *, as_told: bool) -> Stack:
    """Read a DICOM file's frames in the unit that its modality LUT gives them, such as Hounsfield units.

    What the file itself makes of them is done already where it is more than a window: palettes, colours and
    VOI LUTs, whose white is known.

    Args:
        path: The file.
        as_told: Whether the file's own VOI LUT counts, where it has one.

    Raises:
        DataError: pydicom is not installed, or the file is damaged or no image.
    """
    with _reading(path) as pydicom:
        file = pydicom.dcmread(path, force=True)
        syntax = file.file_meta.TransferSyntaxUID
        stored, told = importlib.import_module("pydicom.pixels").get_decoder(syntax).as_array(file)
        kind = str(told["photometric_interpretation"])
        if kind.startswith("MONOCHROME"):
            return _grey(file, stored, kind, as_told)
        return _coloured(file, stored, kind)


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
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


def _coloured(file: Any, stored: NDArray[Any], kind: str) -> Stack:
    processing = importlib.import_module("pydicom.pixels")
    white = float(2 ** int(file.BitsStored) - 1)
    if kind == "PALETTE COLOR":
        stored = processing.apply_color_lut(stored, file)[..., :3]
        white = float(np.iinfo(stored.dtype).max)
    elif kind.startswith("YBR_FULL"):
        stored = processing.convert_color_space(stored, kind, "RGB")
    elif kind != "RGB":
        raise DataError(
            f"has the PhotometricInterpretation (0028,0004) {kind}", needed="grey, RGB or YBR_FULL"
        )
    frames = np.asarray(stored, dtype=np.float32)
    frames = frames[None] if frames.ndim == 3 else frames
    spacing, in_mm = _spacing(file, next(_frames(file)))
    return Stack(frames, f"DICOM {kind}", white, spacing=spacing, in_mm=in_mm)


def _grey(file: Any, stored: NDArray[Any], kind: str, as_told: bool) -> Stack:
    processing = importlib.import_module("pydicom.pixels")
    stored = stored[None] if stored.ndim == 2 else stored
    headers = list(_frames(file))
    headers = headers * len(stored) if len(headers) == 1 else headers
    if len(headers) != len(stored):
        raise DataError(
            f"has {len(stored)} frames, and PerFrameFunctionalGroupsSequence (5200,9230) {len(headers)}"
        )
    values, white = [], None
    for frame, header in zip(stored, headers, strict=True):
        value = _rescaled(frame, header)
        if as_told and header.get("VOILUTSequence"):
            white = float(2 ** (int(header.VOILUTSequence[0].LUTDescriptor[2]) or 16) - 1)
            value = processing.apply_voi(np.rint(value).astype(np.int32), header)
        elif white is not None:
            raise DataError(
                "has a VOILUTSequence (0028,3010) for some frames only", needed="for all, or none"
            )
        values.append(np.asarray(value, dtype=np.float32))
    shape = str(file.get("PresentationLUTShape") or "").strip().upper()
    if file.get("PresentationLUTSequence") or shape not in ("", "IDENTITY", "INVERSE"):
        raise DataError("has a PresentationLUTSequence (2050,0010)", needed="a PresentationLUTShape, or none")
    spacing, in_mm = _spacing(file, headers[0])
    return Stack(
        values[0][None] if len(values) == 1 else np.stack(values),
        "DICOM",
        white,
        is_inverted=kind == "MONOCHROME1" or shape == "INVERSE",
        nothing=_padding(file, stored),
        spacing=spacing,
        in_mm=in_mm,
    )


def _rescaled(frame: NDArray[Any], header: Any) -> NDArray[Any]:
    """Stored values in the unit that the modality LUT or the rescale gives them: PS3.3, C.11.1."""
    if header.get("ModalityLUTSequence"):
        looked_up: NDArray[Any] = importlib.import_module("pydicom.pixels").apply_modality_lut(frame, header)
        return looked_up
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    values = frame.astype(np.float32)  # pydicom's own goes through float64, in eight times the time
    if slope is not None and intercept is not None:
        values *= np.float32(slope)
        values += np.float32(intercept)
    return values


def _padding(file: Any, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the scanner wrote that it measured nothing: PS3.3, C.7.5.1.1.2."""
    value = file.get("PixelPaddingValue")
    if value is None:
        return None
    ends = [value, file.get("PixelPaddingRangeLimit")]
    # A signed value that was written as an unsigned one, which happens, is meant by its bits.
    low, *high = sorted(int(np.array(int(end)).astype(stored.dtype)) for end in ends if end is not None)
    nothing = (stored >= low) & (stored <= high[0]) if high else stored == low
    return nothing if nothing.any() else None


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
