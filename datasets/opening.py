"""Open a file of any kind as a stack of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.api import TEXT_BYTES, ChoiceError, DataError

from .arrays import Axes, opened, read_array
from .dicom import read_dicom
from .image_files import is_more_than_8_bits, pages
from .nifti import Volume, read_volume
from .nifti import read_header as read_volume_header
from .raw import whole_file
from .scale import Stack
from .space import Plane, planes
from .survey import File

_SHALLOW = (".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp")


def open_file(
    file: File,
    *,
    as_told: bool,
    plane: Plane | None,
    volume: int | str | None,
    axes: Axes | None,
) -> Iterator[Stack]:
    """All pictures of one file, those of one size together.

    Args:
        file: Which.
        as_told: Whether what is white is the file's to say, where it says so.
        plane: Of a volume; None for axial.
        volume: Which part of a volume with a fourth axis.
        axes: Of an array.

    Raises:
        DataError: It can't be read; the message names it.
    """
    if not _size(file.path):
        raise DataError(f"{file.path} is empty", hint="get this file again")
    if file.kind == "volume":
        yield _slices(read_volume(file.path, dimensions=4), plane or "axial", volume)
    elif file.kind == "dicom":
        yield read_dicom(file.path, file.header, as_told=as_told)
    elif file.kind == "array":
        yield _with_named_white(read_array(file.path, axes=axes), as_told)
    else:
        for page in pages(whole_file(file.path), str(file.path)):
            yield _with_named_white(page, as_told)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def _with_named_white(stack: Stack, as_told: bool) -> Stack:
    """Floats in [0, 1] say what is white only where nobody else does."""
    return stack if as_told or not stack.mode.startswith("float") else replace(stack, white=None)


def is_deep(file: File) -> bool:
    """Whether a picture or an array has more than 8 bits, judged by its header."""
    if file.kind == "array":
        try:
            return opened(file.path).dtype.kind == "u" and opened(file.path).dtype.itemsize > 1
        except DataError:
            return False
    if file.kind != "picture" or file.path.name.lower().endswith(_SHALLOW):
        return False
    try:
        with file.path.open("rb") as content:
            return is_more_than_8_bits(content)
    except OSError:
        return False


def picture_size(
    file: File, plane: Plane | None
) -> tuple[tuple[int, int], tuple[float, float] | None] | None:
    """Rows and columns of a file's pictures, and the size of a pixel; None where only its pixels tell."""
    if file.header is not None:
        return file.header.shape, file.header.spacing
    if file.kind != "volume":
        return None
    try:
        shape, zooms, affine = read_volume_header(file.path)
    except DataError:
        return None
    nowhere: NDArray[np.int8] = np.broadcast_to(np.int8(0), shape)
    slices, spacing = planes(nowhere, affine, zooms, plane or "axial")
    return (slices.shape[1], slices.shape[2]), spacing


def _slices(volume: Volume, plane: Plane, wanted: int | str | None) -> Stack:
    """Slices of a volume; NaN is where nothing was measured."""
    count = volume.stored.shape[3]
    numbers = _numbers(volume.path, count, wanted)
    parts, nothing, spacing = [], [], (1.0, 1.0)
    for number in numbers:
        values = volume.values(slice(None), slice(None), slice(None), number, nan_is_background=True)
        slices, spacing = planes(values, volume.affine, volume.zooms[:3], plane)
        is_nan = np.isnan(slices)
        parts.append(np.where(is_nan, np.float32(0.0), slices) if is_nan.any() else slices)
        nothing.append(is_nan)
    has_nothing = any(is_nan.any() for is_nan in nothing)
    return Stack(
        parts[0] if len(parts) == 1 else np.concatenate(parts),
        volume.mode,
        nothing=np.concatenate(nothing) if has_nothing else None,
        spacing=spacing,
    )


def _numbers(path: Path, count: int, wanted: int | str | None) -> list[int]:
    """Which of the volumes in a file are meant."""
    if count == 1:
        return [0]
    if wanted == "all":
        return list(range(count))
    names = _channel_names(path)
    if isinstance(wanted, str):
        places = [number for number, name in names.items() if name.lower() == wanted.lower()]
        wanted = places[0] if places else None
    if wanted is None or not 0 <= int(wanted) < count:
        called = f", {', '.join(f'{number} {name}' for number, name in names.items())}" if names else ""
        raise ChoiceError(
            f"{path} holds {count} volumes, numbers 0 to {count - 1}{called}",
            needed="which of them, or all",
            hint="--set dataset.volume=0, or dataset.volume=all for every one, as in a film",
        )
    return [int(wanted)]


def _channel_names(path: Path) -> dict[int, str]:
    """What the parts of 4D files are called, by the dataset.json of the Decathlon and of nnU-Net."""
    for folder in (path.parent, path.parent.parent):
        try:
            content = json.loads(whole_file(folder / "dataset.json", most=TEXT_BYTES))
            names = content.get("modality") or content.get("channel_names")
            return {int(number): str(name) for number, name in names.items()}
        except (DataError, ValueError, AttributeError, RecursionError):
            continue
    return {}
