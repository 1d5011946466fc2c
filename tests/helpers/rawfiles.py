"""Raw files that no library writes as they occur in the wild: DICOM, TIFF and 16-bit PNG, byte by byte."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

#: How DICOM says that pixels are 8-bit colours, one after the other.
COLOUR = {
    "SamplesPerPixel": 3, "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
    "PixelRepresentation": 0,
}  # fmt: skip
GREY8 = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}


def dicom(path: Path, pixels: np.ndarray | bytes, **elements: Any) -> None:
    """A DICOM file of signed 16-bit pixels, unless ``elements`` say otherwise; SYNTAX is the transfer syntax."""
    pydicom = pytest.importorskip("pydicom")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = elements.pop("SYNTAX", pydicom.uid.ExplicitVRLittleEndian)
    kind = elements.pop("KIND", pydicom.uid.CTImageStorage)
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = kind
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.PatientID, file.Modality = "P1", "CT"
    shape = (64, 64) if isinstance(pixels, bytes) else pixels.shape
    rows = shape[-3:-1] if elements.get("SamplesPerPixel") == 3 and len(shape) > 2 else shape[-2:]
    file.Rows, file.Columns = rows
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    for name, value in elements.items():
        setattr(file, name, value)
    file.PixelData = pixels if isinstance(pixels, bytes) else pixels.tobytes()
    if file.file_meta.TransferSyntaxUID.is_encapsulated:
        file["PixelData"].is_undefined_length = True
    file.save_as(path, enforce_file_format=True)


def sequence(**elements: Any) -> list[Any]:
    """A DICOM sequence of one item."""
    pydicom = pytest.importorskip("pydicom")
    item = pydicom.Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return [item]


def lut(values: list[int], first: int = 0, bits: int = 8) -> list[Any]:
    """A DICOM lookup table of 16-bit words."""
    return sequence(LUTDescriptor=[len(values), first, bits], LUTData=np.array(values, "<u2").tobytes())


def tiff(
    path: Path,
    pixels: np.ndarray,
    photometric: int,
    *,
    sample_format: int = 1,
    order: str = "<",
    packed: bool = False,
    extra: int | None = None,
    orientation: int = 1,
) -> None:
    """A TIFF file of one strip; ``packed`` by deflate, ``extra`` is what a fourth sample means."""
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    tiff_of(
        path, [pixels.astype(pixels.dtype.newbyteorder(order))], pixels.shape[:2], pixels.dtype.itemsize * 8,
        photometric, samples=samples, sample_format=sample_format, order=order, packed=packed, extra=extra,
        orientation=orientation,
    )  # fmt: skip


def tiff_of(
    path: Path,
    strips: list[Any],
    shape: tuple[int, ...],
    bits: int,
    photometric: int,
    *,
    samples: int = 1,
    sample_format: int = 1,
    order: str = "<",
    packed: bool = False,
    compression: int = 1,
    extra: int | None = None,
    orientation: int = 1,
) -> None:
    """A TIFF file of strips, which are bytes or arrays; several are planes, one for each sample."""
    height, width = shape[:2]
    bodies = [
        strip if isinstance(strip, bytes) else np.ascontiguousarray(strip).tobytes() for strip in strips
    ]
    bodies = [zlib.compress(body) if packed else body for body in bodies]
    samples = max(samples, len(bodies))
    body = b"".join(bodies)
    starts = [8 + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * samples),
        (259, "H", [8 if packed else compression]), (262, "H", [photometric]), (273, "I", starts),
        (274, "H", [orientation]), (277, "H", [samples]), (278, "I", [height]), (279, "I", [*map(len, bodies)]),
        (284, "H", [2 if len(bodies) > 1 else 1]),
    ]  # fmt: skip
    tags += [] if extra is None else [(338, "H", [extra])]
    tags += [] if sample_format == 1 else [(339, "H", [sample_format] * samples)]
    body += b"\0" * (len(body) % 2)
    directory, tail = struct.pack(order + "H", len(tags)), b""
    at = 8 + len(body)  # of what is too long for the directory, which ends the file
    for number, letter, values in tags:
        kind, raw = {"H": 3, "I": 4}[letter], struct.pack(order + letter * len(values), *values)
        directory += struct.pack(order + "HHI", number, kind, len(values))
        if len(raw) > 4:
            directory += struct.pack(order + "I", at + len(tail))
            tail += raw + b"\0" * (len(raw) % 2)
        else:
            directory += raw.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at + len(tail))
    path.write_bytes(head + body + tail + directory + struct.pack(order + "I", 0))


def png16(path: Path, pixels: np.ndarray) -> None:
    """A PNG file of 16 bits a sample: (H, W, 2) grey with alpha, (H, W, 3) RGB, (H, W, 4) RGBA."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, samples = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[samples], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def nifti(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> None:
    """A NIfTI file; without an affine, as a scanner's LPS volume of 1 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    placed = np.diag([-1.0, -1.0, 1.0, 1.0]) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(voxels, placed), path)
