"""Read NIfTI volumes so that a damaged file is an error that names it, never a crash or a wrong picture."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from harness.api import DataError

ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Volume:
    """One NIfTI file in memory, as it is stored.

    Attributes:
        path: Where it was read.
        stored: Voxels in the file's own type and axes, (x, y, z) or (x, y, z, t); a view of the file's bytes.
        slope: What to multiply stored values with.
        intercept: What to add then.
        zooms: Size of a voxel along each axis in mm: from ``pixdim``, for affines are known to lie.
        affine: (4, 4) from voxels to millimetres in RAS, where the header has one that can be; else None.
    """

    path: Path
    stored: NDArray[np.generic]
    slope: float
    intercept: float
    zooms: tuple[float, ...]
    affine: NDArray[np.float64] | None

    @property
    def mode(self) -> str:
        """Type in which the file stores its voxels, such as int16."""
        return str(self.stored.dtype.newbyteorder("="))

    def values(self, *where: int | slice) -> NDArray[np.float32]:
        """Scaled voxels as float32, all or a part, maybe read only.

        Raises:
            DataError: There is NaN or infinity among them.
        """
        with np.errstate(all="ignore"):  # what overflows is infinite, and refused below
            values = self.stored[where].astype(np.float32, copy=False)
            if (self.slope, self.intercept) != (1.0, 0.0):
                values = values * np.float32(self.slope) + np.float32(self.intercept)
            total = values.sum()
        # NaN and infinity pass through a sum, much faster than looking at each; overflow needs the look.
        if not np.isfinite(total) and not np.isfinite(values).all():
            raise DataError(
                f"{self.path} holds NaN or infinity", needed="finite voxels", hint="get this file again"
            )
        return values


def read_volume(path: Path, dimensions: int = 3) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file, compressed or not, whatever its name says.

    Args:
        path: The file.
        dimensions: How many axes it must have; missing ones count as length 1, further ones must be so.

    Raises:
        DataError: It can't be read, is damaged, is no image or of other dimensions.
    """
    try:
        return _parse(path, _content(path), dimensions)
    except DataError:
        raise
    except Exception as error:  # on damaged headers nibabel and numpy raise almost anything
        raise DataError(
            f"{path} is damaged, or no NIfTI file: {error or type(error).__name__}",
            needed="a complete .nii or .nii.gz file",
            hint="get this file again",
        ) from error


def _content(path: Path) -> bytes:
    packed = path.read_bytes()
    if packed[:2] != b"\x1f\x8b":
        return packed
    # In one go into memory of the right size, which the last four bytes tell: a fifth faster than in pieces.
    # A damaged file may tell anything, but deflate makes nothing more than 1032 times smaller.
    told = int.from_bytes(packed[-4:], "little")
    content = zlib.decompress(packed, wbits=31, bufsize=max(1, min(told, 1032 * len(packed))))
    return content if len(content) == told else gzip.decompress(packed)  # of several parts, as bgzip writes


def _parse(path: Path, content: bytes, dimensions: int) -> Volume:
    is_second = 540 in {int.from_bytes(content[:4], order) for order in ("little", "big")}
    kind = nibabel.Nifti2Header if is_second else nibabel.Nifti1Header
    # Without nibabel's checks, which mend what they don't like and log it: here it is refused.
    header: Any = kind(content[: kind.sizeof_hdr], check=False)  # type: ignore[no-untyped-call]
    if header["magic"].item()[:2] != b"n+":
        raise ValueError("not a single-file NIfTI")
    # Codes of 3000 to 3099 are CIFTI: brain surfaces in a NIfTI-2 file, not pictures.
    if 3000 <= int(header["intent_code"]) < 3100:
        raise DataError(f"{path} is a CIFTI file", needed="a volume image")
    shape = tuple(int(length) for length in header.get_data_shape())
    if any(length != 1 for length in shape[dimensions:]) or min(shape, default=0) < 1:
        raise DataError(
            f"{path} has the shape {shape}", needed=f"{dimensions} dimensions, all of them with voxels"
        )
    shape = (shape + (1,) * dimensions)[:dimensions]
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise DataError(f"{path} holds {dtype} voxels", needed="one number for each voxel")
    offset, count = int(header.get_data_offset()), math.prod(shape)
    if offset < kind.sizeof_hdr or offset + count * dtype.itemsize > len(content):
        raise ValueError(f"{len(content)} bytes can't hold {shape} voxels of {dtype}")
    stored = np.frombuffer(content, dtype, count, offset).reshape(shape, order="F")
    slope, intercept = header.get_slope_inter()
    is_placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    affine = header.get_best_affine() if is_placed else None
    if affine is not None and not (np.abs(affine) < 1e6).all():
        affine = None  # of kilometres or of NaN, it tells nothing
    return Volume(
        path,
        stored,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        tuple(abs(float(zoom)) for zoom in header.get_zooms()[:dimensions]),
        affine,
    )


def as_shown(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """An (x, y) plane of an LPS volume as a radiologist sees it: rows from front to back, (y, x)."""
    return np.ascontiguousarray(plane.T)


def clipped(values: NDArray[np.float32], ceiling: float) -> NDArray[np.float32]:
    """Values from 0 to ``ceiling`` as [0, 1]; what lies outside is clipped."""
    unit: NDArray[np.float32] = np.clip(values / np.float32(ceiling), 0.0, 1.0)
    return unit
