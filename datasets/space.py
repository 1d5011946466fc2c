"""Where pixels lie: planes of a volume by its affine, square pixels, one physical size for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import ChoiceError

Plane = Literal["axial", "coronal", "sagittal"]
PixelT = TypeVar("PixelT", np.float32, np.uint8, np.bool_)

_orientations: Any = nibabel.orientations  # untyped

#: Rows, columns and slices of each plane as a radiologist sees it, by the way in which indices grow:
#: L is to the patient's left, which is on the right of the picture; P to the back, I down, S up.
_AXES: dict[Plane, str] = {"axial": "PLS", "coronal": "ILP", "sagittal": "IPL"}


#: How a picture is turned that was stored by one of EXIF's orientations: TIFF 6.0, tag 274.
_TURNED: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def upright(picture: NDArray[PixelT], orientation: int | None) -> NDArray[PixelT]:
    """A picture (H, W) or (H, W, 3) turned as EXIF's orientation says."""
    turn = _TURNED.get(orientation or 1)
    return picture if turn is None else np.ascontiguousarray(turn(picture))


def planes(
    voxels: NDArray[Any], affine: NDArray[np.float64] | None, zooms: tuple[float, ...], plane: Plane
) -> tuple[NDArray[Any], tuple[float, float]]:
    """Slices of a volume in one plane, turned as a radiologist sees them.

    Args:
        voxels: (x, y, z) as they are stored.
        affine: From voxels to millimetres in RAS; None where the file doesn't say how it lies. Then it
            counts as LPS, which is how most files without one are stored.
        zooms: Size of a voxel along each stored axis.
        plane: Which plane.

    Returns:
        (slices, rows, columns), and the size of a pixel down and across.
    """
    lps = _orientations.axcodes2ornt("LPS")
    stored = lps if affine is None else _orientations.io_orientation(affine)
    if not np.isfinite(stored).all():  # an axis of the volume lies on no axis of space
        stored = lps
    turn = _orientations.ornt_transform(stored, _orientations.axcodes2ornt(_AXES[plane]))
    turned = _orientations.apply_orientation(voxels, turn)
    sizes = dict(zip(turn[:, 0].astype(int).tolist(), zooms, strict=True))
    return np.moveaxis(turned, 2, 0), (sizes[0], sizes[1])


def sizes_of(shape: tuple[int, int], spacing: tuple[float, float] | None, target: float | None, where: str
) -> tuple[int, int]:  # fmt: skip
    """How many pixels a picture has when each is square, (height, width).

    Args:
        shape: How many it has in the file.
        spacing: Their size in the file, down and across; None where that isn't known.
        target: The size that they shall have; None for the smaller of the two.
        where: What to call the picture in an error.

    Raises:
        DataError: A size is asked for, and that of the file isn't known.
    """
    is_known = spacing is not None and all(1e-4 < size < 1e4 for size in spacing)
    if not is_known or spacing is None:
        if target is not None:
            raise ChoiceError(
                f"{where} does not say how large its pixels are", hint="leave out dataset.spacing"
            )
        return shape
    goal = target or min(spacing)
    height, width = (max(1, round(n * size / goal)) for n, size in zip(shape, spacing, strict=True))
    if max(height, width) > 16384:
        raise ChoiceError(
            f"{where} has pixels of {spacing[0]:g} x {spacing[1]:g}, and would have {height} rows of {width}",
            needed="at most 16384 pixels a side",
            hint="name a larger pixel: --set dataset.spacing=MM",
        )
    return height, width


def resampled(picture: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A picture (H, W) or (H, W, 3) in [0, 1] with other numbers of pixels, antialiased."""
    if picture.shape[:2] == shape:
        return picture
    channels = [picture] if picture.ndim == 2 else [picture[..., channel] for channel in range(3)]
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(c)).resize(shape[::-1], Image.Resampling.BICUBIC))
        for c in channels
    ]
    result: NDArray[np.float32] = np.clip(
        resized[0] if picture.ndim == 2 else np.stack(resized, -1), 0.0, 1.0
    )
    return result


def centred(picture: NDArray[PixelT], shape: tuple[int, int]) -> NDArray[PixelT]:
    """Cut a picture, or surround it with black, to so many rows and columns around its centre."""
    if picture.shape[:2] == shape:
        return picture
    canvas: NDArray[PixelT] = np.zeros((*shape, *picture.shape[2:]), picture.dtype)
    taken, placed = [], []
    for there, wanted in zip(picture.shape, shape, strict=False):
        length = min(there, wanted)
        taken.append(slice((there - length) // 2, (there - length) // 2 + length))
        placed.append(slice((wanted - length) // 2, (wanted - length) // 2 + length))
    canvas[tuple(placed)] = picture[tuple(taken)]
    return canvas
