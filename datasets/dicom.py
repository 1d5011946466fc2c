"""Read DICOM images the way a viewer shows them. Needs pydicom, an optional extra."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError


class DicomImage(NamedTuple):
    """One file.

    Attributes:
        frames: float32 (frames, H, W); in [0, 1] if ``is_shown``, else values such as Hounsfield units.
        is_shown: Whether the file itself says what is black and white.
        is_inverted: Whether low values are bright (MONOCHROME1); already undone in shown frames.
        patient: Its patient id, or nothing.
    """

    frames: NDArray[np.float32]
    is_shown: bool
    is_inverted: bool
    patient: str


def read_dicom(path: Path, *, use_window: bool) -> DicomImage:
    """Read a DICOM file: rescaled, and with its own window unless another is to be used.

    Raises:
        DataError: pydicom is not installed, or the file is damaged or no image.
    """
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as error:
        raise DataError(
            f"{path} is a DICOM file, and pydicom is not installed", hint="pip install 'hagan-bench[dicom]'"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many real files break the standard in harmless ways
            return _shown(pydicom.dcmread(path), use_window)
    except Exception as error:  # damaged elements raise almost anything
        raise DataError(
            f"{path} can't be decoded: {error or type(error).__name__}",
            needed="a complete DICOM image, in a transfer syntax that pydicom decodes",
            hint="get this file again; compressed ones may need: pip install pylibjpeg pylibjpeg-libjpeg",
        ) from error


def _shown(file: Any, use_window: bool) -> DicomImage:
    stored = file.pixel_array
    patient = str(file.get("PatientID", "") or "").strip()
    if int(file.get("SamplesPerPixel", 1)) == 3:
        luma = stored.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        if file.PhotometricInterpretation.startswith("YBR"):
            luma = stored[..., 0].astype(np.float32)
        frames = luma / np.float32(2 ** int(file.BitsStored) - 1)
        return DicomImage(_stacked(np.clip(frames, 0.0, 1.0)), True, False, patient)
    values = _stacked(importlib.import_module("pydicom.pixels").apply_rescale(stored, file))
    is_inverted = file.PhotometricInterpretation == "MONOCHROME1"
    if not use_window or file.get("WindowCenter") is None or file.get("WindowWidth") is None:
        return DicomImage(values, False, is_inverted, patient)
    shown = _windowed(values, _first(file.WindowCenter), _first(file.WindowWidth), file.get("VOILUTFunction"))
    return DicomImage(1.0 - shown if is_inverted else shown, True, is_inverted, patient)


def _windowed(
    values: NDArray[np.float32], centre: float, width: float, function: str | None
) -> NDArray[np.float32]:
    """What a window makes of values, in [0, 1]: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (values - centre) / width)), dtype=np.float32)
    if function != "LINEAR_EXACT":
        centre, width = centre - 0.5, max(width - 1.0, 1e-6)
    return np.asarray(np.clip((values - centre) / width + 0.5, 0.0, 1.0), dtype=np.float32)


def _first(value: Any) -> float:
    """Files may name several windows; the first is the default."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _stacked(pixels: NDArray[Any]) -> NDArray[np.float32]:
    frames = np.asarray(pixels, dtype=np.float32)
    return frames[None] if frames.ndim == 2 else frames
