"""Read numpy files of pictures, and tell their axes apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.api import ChoiceError, DataError, check_bytes

from .scale import Stack, checked_floats

Axes = Literal["HW", "NHW", "HWN", "HWC", "CHW", "NHWC", "NCHW"]

_WHITE = {"bool": 1.0, "uint8": 255.0}
_COLOURS = (3, 4)
_HINT = "--set dataset.axes=NHW for slices, HWN for slices along the last axis, HWC or CHW for one in colour"


def read_array(path: Path, *, axes: Axes | None) -> Stack:
    """Read an npy file.

    Args:
        path: The file.
        axes: What its axes are; None where their lengths tell.

    Returns:
        Its pictures. White is 1 for floats in [0, 1], and not known for other floats, signed numbers and
        those of more than 8 bits.

    Raises:
        DataError: It is damaged, or of axes or a type that can't be pictures.
    """
    array = opened(path)
    kind = str(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "buif" or not array.size or array.ndim not in (2, 3, 4):
        raise DataError(
            f"{path} holds {kind} of shape {array.shape}",
            needed="numbers of shape (H, W), (N, H, W), (H, W, C), (N, H, W, C) or (N, C, H, W)",
        )
    check_bytes(4 * array.size, f"{path}, of shape {array.shape} and as floats,", DataError)
    named = axes or axes_of(array.shape, path)
    if len(named) != array.ndim:
        raise ChoiceError(f"{path} has the shape {array.shape}, which is not {named}", hint=_HINT)
    pictures = array.transpose([named.index(axis) for axis in "NHWC" if axis in named])
    values = np.asarray(pictures if "N" in named else pictures[None], dtype=np.float32)
    if "C" in named and values.shape[3] not in (1, *_COLOURS):
        raise DataError(f"{path} has {values.shape[3]} channels", needed="1, 3 or 4", hint=_HINT)
    white, nothing = _WHITE.get(kind), None
    if array.dtype.kind == "f":
        values, nothing, white = checked_floats(values, str(path))
    if values.ndim == 4:
        values = values[..., 0] if values.shape[3] == 1 else _opaque(values, white)
        nothing = None if nothing is None else np.logical_or.reduce(nothing, axis=3)
    return Stack(values, kind, white, nothing=nothing)


def opened(path: Path) -> NDArray[Any]:
    """A memory map of an npy file.

    Raises:
        DataError: It is damaged, or no npy file.
    """
    try:
        # Mapped, because numpy checks then that the file is as long as its header says.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # headers are parsed as Python and raise what that raises
        again = "save numbers, by numpy.save" if "Python objects" in str(error) else "get this file again"
        raise DataError(f"{path} is damaged, or no npy file: {error}", hint=again) from error
    return array


def axes_of(shape: tuple[int, ...], path: Path) -> Axes:
    """What the axes of an array are, where their lengths leave no doubt.

    Raises:
        DataError: They may be two things.
    """
    first, last = shape[0], shape[-1]
    if len(shape) == 2:
        return "HW"
    if len(shape) == 4:
        is_last, is_second = last in (1, *_COLOURS), shape[1] in (1, *_COLOURS)
        if is_last != is_second:
            return "NHWC" if is_last else "NCHW"
    elif last in (1, *_COLOURS) and min(first, shape[1]) > max(_COLOURS):
        return "HWC"
    elif not (first in _COLOURS and min(shape[1:]) > max(_COLOURS)) and not first == shape[1] != last:
        return "NHW"
    raise ChoiceError(
        f"{path} has the shape {shape}, of which nobody knows which axes are rows, slices or colours",
        needed="(N, H, W), (H, W, C), (N, H, W, C) or (N, C, H, W)",
        hint=_HINT if len(shape) == 3 else "--set dataset.axes=NHWC or NCHW",
    )


def _opaque(values: NDArray[np.float32], white: float | None) -> NDArray[np.float32]:
    """Colours on black, for a fourth channel is how much of them is seen."""
    if values.shape[3] == 3:
        return values
    return values[..., :3] * (values[..., 3:] / np.float32(white or 65535.0))
