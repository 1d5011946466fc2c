"""Read NIfTI volumes so that a damaged file is an error that names it, never a crash or a wrong picture."""

from __future__ import annotations

import gzip
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from harness.api import FILE_BYTES, DataError, check_bytes, pass_on_shortage

from .raw import whole_file

ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Volume:
    """One NIfTI file in memory, as it is stored.

    Attributes:
        path: Where it was read.
        stored: Voxels in the file's own type and axes, (x, y, z) or (x, y, z, t); a view of the file's bytes.
            Whatever the file counts along further axes, such as modalities, is counted along the fourth.
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

    @property
    def _is_scaled(self) -> bool:
        return (self.slope, self.intercept) != (1.0, 0.0)

    def above_zero(self) -> NDArray[np.bool_]:
        """Which voxels are above 0, without making floats of all where that isn't needed.

        Raises:
            DataError: As of ``values``.
        """
        is_plain = self.stored.dtype.kind in "iu" and not self._is_scaled
        return np.greater(self.stored if is_plain else self.values(), 0)

    def inside(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Scaled voxels where a mask (x, y, z) is true, (m,), in the order in which they are stored."""
        return self._scaled(self.stored.T[mask.T], nan_is_background=False)

    def values(self, *where: int | slice, nan_is_background: bool = False) -> NDArray[np.float32]:
        """Scaled voxels as float32, all or a part, maybe read only.

        Args:
            *where: The part, as an index of ``stored``.
            nan_is_background: Whether NaN may stand where nothing was measured, as tools that cut a body
                out of a volume write it.

        Raises:
            DataError: There is infinity among them, or NaN that may not be there.
        """
        return self._scaled(self.stored[where], nan_is_background=nan_is_background)

    def _scaled(self, stored: NDArray[Any], *, nan_is_background: bool) -> NDArray[np.float32]:
        with np.errstate(all="ignore"):  # what overflows is infinite, and refused below
            values = stored.astype(np.float32, copy=False)
            if self._is_scaled:
                values = values * np.float32(self.slope) + np.float32(self.intercept)
            total = values.sum()
        # NaN and infinity pass through a sum, much faster than looking at each; overflow needs the look.
        if not np.isfinite(total) and not np.isfinite(values).all():
            if nan_is_background and not np.isinf(values).any():
                return values
            raise DataError(f"{self.path} holds NaN or infinity", needed="finite voxels")
        return values


def read_volume(path: Path, dimensions: int = 3) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file, compressed or not, whatever its name says.

    Args:
        path: The file.
        dimensions: How many axes are wanted: 3, and further ones must be of length 1; or 4, and those of
            further ones are counted along the fourth. Missing ones count as length 1.

    Raises:
        DataError: It can't be read, is damaged, is no image or of other dimensions.
    """
    try:
        return _parse(path, _content(path), dimensions)
    except DataError:
        raise
    except Exception as error:  # on damaged headers nibabel and numpy raise almost anything
        pass_on_shortage(error)
        raise _damaged(path, error) from error


def _content(path: Path) -> bytes:
    packed = whole_file(path)
    if packed[:2] != b"\x1f\x8b":
        return packed
    told = int.from_bytes(packed[-4:], "little")
    # In one go into memory of the right size, which the last four bytes tell, by a library that takes half of
    # zlib's time: unpacking is most of what reading a volume costs.
    # A damaged file may tell anything, but deflate makes nothing more than 1032 times smaller.
    if (possible := 1032 * len(packed)) <= FILE_BYTES:
        content = isal_zlib.decompress(packed, wbits=31, bufsize=max(1, min(told, possible)))
        if len(content) == told:
            return content
    # Of several parts, as bgzip writes, or so large that it might unpack to more than there is memory.
    with gzip.open(io.BytesIO(packed)) as file:
        content = file.read(FILE_BYTES + 1)
    check_bytes(len(content), f"{path}, unpacked,", DataError)
    return content


def read_header(path: Path) -> tuple[tuple[int, ...], tuple[float, ...], NDArray[np.float64] | None]:
    """Shape, sizes of a voxel and affine of a NIfTI file, without its voxels: three axes.

    Raises:
        DataError: It can't be read, is damaged or no image.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_packed else path.open("rb") as content:
            header, _, shape = _header(path, content.read(nibabel.Nifti2Header.sizeof_hdr))
        affine = _affine(header)
        return (*shape, 1, 1, 1)[:3], _zooms(header, affine, 3), affine
    except DataError:
        raise
    except Exception as error:  # on damaged headers nibabel and numpy raise almost anything
        pass_on_shortage(error)
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} is damaged, or no NIfTI file: {error or type(error).__name__}",
        needed="a complete .nii or .nii.gz file",
        hint="get this file again",
    )


def _header(path: Path, content: bytes) -> tuple[Any, Any, tuple[int, ...]]:
    """The header, its kind, and the shape of the voxels."""
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
    if min(shape, default=0) < 1:
        raise DataError(f"{path} has the shape {shape}", needed="all axes with voxels")
    return header, kind, shape


def _affine(header: Any) -> NDArray[np.float64] | None:
    is_placed = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    affine = header.get_best_affine() if is_placed else None
    # Of kilometres or of NaN, it tells nothing.
    return affine if affine is not None and (np.abs(affine) < 1e6).all() else None


def _parse(path: Path, content: bytes, dimensions: int) -> Volume:
    header, kind, shape = _header(path, content)
    if dimensions == 3 and math.prod(shape[3:]) != 1:
        raise DataError(f"{path} has the shape {shape}", needed="3 dimensions")
    shape = (*(*shape, 1, 1, 1)[:3], math.prod(shape[3:]))[:dimensions]
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise DataError(f"{path} holds {dtype} voxels", needed="one number for each voxel")
    offset, count = int(header.get_data_offset()), math.prod(shape)
    check_bytes(4 * count, f"{path}, of shape {shape} and as floats,", DataError)
    if offset < kind.sizeof_hdr or offset + count * dtype.itemsize > len(content):
        raise ValueError(f"{len(content)} bytes can't hold {shape} voxels of {dtype}")
    stored = np.frombuffer(content, dtype, count, offset).reshape(shape, order="F")
    slope, intercept = header.get_slope_inter()
    affine = _affine(header)
    return Volume(
        path,
        stored,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        _zooms(header, affine, dimensions),
        affine,
    )


def _zooms(header: Any, affine: NDArray[np.float64] | None, dimensions: int) -> tuple[float, ...]:
    """Sizes of a voxel; those that the header leaves out are the affine's, or else 1."""
    told = [abs(float(zoom)) for zoom in header.get_zooms()[:dimensions]]
    told += [1.0] * (dimensions - len(told))
    placed = [1.0] * 3 if affine is None else np.linalg.norm(affine[:3, :3], axis=0).tolist()
    known = [zoom if 0.0 < zoom < math.inf else size for zoom, size in zip(told, placed, strict=False)]
    return (*known, *told[3:])


def as_shown(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """An (x, y) plane of an LPS volume as a radiologist sees it: rows from front to back, (y, x)."""
    return np.ascontiguousarray(plane.T)


def clipped(values: NDArray[np.float32], ceiling: float) -> NDArray[np.float32]:
    """Values from 0 to ``ceiling`` as [0, 1]; what lies outside is clipped."""
    unit: NDArray[np.float32] = np.clip(values / np.float32(ceiling), 0.0, 1.0)
    return unit
