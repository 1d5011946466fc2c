"""Read the pixels of DICOM images by pydicom's own pipeline."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError, check_bytes

from .dicom_header import DicomHeader, read_header, reading
from .dicom_pixels import Pixels, Transform
from .scale import Stack

_SHAPES = ("", "IDENTITY", "INVERSE")


def read_dicom(path: Path, header: DicomHeader | None = None, *, as_told: bool) -> Stack:
    """Read a DICOM file's frames in the unit that its modality LUT gives them, such as Hounsfield units.

    What the file itself makes of them is done already where it is more than a window: palettes, colours and
    VOI LUTs, whose white is known.

    Args:
        path: The file.
        header: Its header, if it was read already.
        as_told: Whether the file's own VOI LUT counts, where it has one.

    Raises:
        DataError: pydicom is not installed, or the file is damaged or no image.
    """
    header = header or read_header(path)
    with reading(path) as pydicom:
        if header.pixels is None:
            raise DataError(f"is no image: {header.no_image or 'it ends before its pixels'}")
        stored, kind = _decoded(path, header.pixels, pydicom)
        _check_samples(kind, int(header.pixels.options["samples_per_pixel"]))
        if kind.startswith("MONOCHROME"):
            return _grey(header, header.pixels, stored, kind, as_told)
        return _coloured(header, header.pixels, stored, kind)


def _check_samples(kind: str, samples: int) -> None:
    """Refuse colours of one number a pixel, and greys of three."""
    needed = 1 if kind.startswith("MONOCHROME") or kind == "PALETTE COLOR" else 3
    if samples != needed:
        raise DataError(
            f"has PhotometricInterpretation (0028,0004) {kind} and SamplesPerPixel (0028,0002) {samples}",
            needed=f"{needed} for {kind}",
            hint="get this file again",
        )


def _decoded(path: Path, pixels: Pixels, pydicom: Any) -> tuple[NDArray[Any], str]:
    """The numbers as they are stored, and what they mean after decoding."""
    options = pixels.options
    shape = [int(options.get(name) or 0) for name in ("number_of_frames", "rows", "columns")]
    # Each becomes a float of four bytes, whatever a compressed file's length.
    check_bytes(4 * math.prod(shape) * int(options.get("samples_per_pixel") or 1), str(path), DataError)
    if pixels.start is None:
        content = pydicom.dcmread(path, force=True).PixelData
    else:
        with path.open("rb") as file:
            file.seek(pixels.start)
            content = file.read() if pixels.length is None else file.read(pixels.length)
    if pixels.shift:
        options = options | {"bits_stored": options["bits_stored"] + pixels.shift}
    decoder = importlib.import_module("pydicom.pixels").get_decoder(pixels.syntax)
    # What is read only need not be copied: values are made of it.
    stored, told = decoder.as_array(content, view_only=True, **options)
    return stored >> pixels.shift if pixels.shift else stored, str(told["photometric_interpretation"])


def _coloured(header: DicomHeader, pixels: Pixels, stored: NDArray[Any], kind: str) -> Stack:
    processing = importlib.import_module("pydicom.pixels")
    white = float(2 ** int(pixels.options["bits_stored"]) - 1)
    if kind == "PALETTE COLOR":
        stored = processing.apply_color_lut(stored, pixels.palette)[..., :3]
        white = float(np.iinfo(stored.dtype).max)
    elif kind.startswith("YBR_FULL"):
        stored = processing.convert_color_space(stored, kind, "RGB")
    elif kind != "RGB":
        raise DataError(
            f"has the PhotometricInterpretation (0028,0004) {kind}",
            needed="grey, RGB or YBR_FULL",
            hint="convert it to RGB, or leave it out: --set dataset.exclude=GLOB",
        )
    frames = np.asarray(stored, dtype=np.float32)
    frames = frames[None] if frames.ndim == 3 else frames
    return Stack(frames, f"DICOM {kind}", white, spacing=header.spacing, in_mm=header.in_mm)


def _grey(header: DicomHeader, pixels: Pixels, stored: NDArray[Any], kind: str, as_told: bool) -> Stack:
    stored = stored[None] if stored.ndim == 2 else stored
    transforms = pixels.transforms * len(stored) if len(pixels.transforms) == 1 else pixels.transforms
    if len(transforms) != len(stored):
        raise DataError(
            f"has {len(stored)} frames, and PerFrameFunctionalGroupsSequence (5200,9230) {len(transforms)}"
        )
    if pixels.presentation not in _SHAPES:
        raise DataError(
            "has a PresentationLUTSequence (2050,0010)",
            needed="a PresentationLUTShape, or none",
            hint="export the image with its tables applied, or leave it out: --set dataset.exclude=GLOB",
        )
    values, white = [], None
    for frame, transform in zip(stored, transforms, strict=True):
        value = _rescaled(frame, transform)
        if as_told and transform.voi_lut is not None:
            value, white = _looked_up(value, transform.voi_lut)
        elif white is not None:
            raise DataError(
                "has a VOILUTSequence (0028,3010) for some frames only", needed="for all, or none"
            )
        values.append(np.asarray(value, dtype=np.float32))
    return Stack(
        values[0][None] if len(values) == 1 else np.stack(values),
        "DICOM",
        white,
        is_inverted=kind == "MONOCHROME1" or pixels.presentation == "INVERSE",
        nothing=_padding(pixels, stored),
        spacing=header.spacing,
        in_mm=header.in_mm,
    )


def _rescaled(frame: NDArray[Any], transform: Transform) -> NDArray[Any]:
    """Stored values in the unit that the modality LUT or the rescale gives them: PS3.3, C.11.1."""
    if transform.modality_lut is not None:
        apply = importlib.import_module("pydicom.pixels").apply_modality_lut
        looked_up: NDArray[Any] = apply(frame, transform.modality_lut)
        return looked_up
    values = frame.astype(np.float32)  # pydicom's own goes through float64, in eight times the time
    if transform.rescale is not None:
        slope, intercept = transform.rescale
        values *= np.float32(slope)
        values += np.float32(intercept)
    return values


def _looked_up(values: NDArray[Any], table: Any) -> tuple[NDArray[Any], float]:
    """Greys by a VOI LUT, and which of them is white: PS3.3, C.11.2.1.1."""
    white = float(2 ** (int(table.VOILUTSequence[0].LUTDescriptor[2]) or 16) - 1)
    apply = importlib.import_module("pydicom.pixels").apply_voi
    return apply(np.rint(values).astype(np.int32), table), white


def _padding(pixels: Pixels, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where the scanner wrote that it measured nothing: PS3.3, C.7.5.1.1.2."""
    if not pixels.padding:
        return None
    # A signed value that was written as an unsigned one, which happens, is meant by its bits.
    low, *high = sorted(int(np.array(end).astype(stored.dtype)) for end in pixels.padding)
    nothing = (stored >= low) & (stored <= high[0]) if high else stored == low
    return nothing if nothing.any() else None
