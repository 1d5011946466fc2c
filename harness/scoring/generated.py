"""Images made by anything else: a folder, an archive, a stack or an array becomes uint8 pixels."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..api import ScoreError
from ..limits import check_bytes, check_count, check_memory, check_pixels, check_regular, is_kernel_device
from ..shortage import pass_on_shortage
from .arrays import headers_of, read_array
from .stored import check_images

SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".jpg", ".jpeg"})
_AT_ONCE, _BYTES_AT_ONCE = 64, 1 << 28
# Modes that become grey or RGB without losing anything: black and white, and palettes of colours.
_CONVERTED = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}


def load_images(path: Path) -> NDArray[np.uint8]:
    """Read the images at ``path``, exactly as they are: nothing is resized, rescaled or converted.

    Args:
        path: A folder of image files (its subfolders too, such as one for each class), a zip of them, one
            TIFF file of many pages, or a ``.npy`` or ``.npz`` array of uint8 (N, H, W), (N, H, W, C) or
            (N, C, H, W). Of an ``.npz``, that is ``arr_0``, as guided diffusion writes it, or its only array
            of images.

    Returns:
        uint8 (N, C, H, W) with C of 1 or 3, in the order of file names and pages.

    Raises:
        ScoreError: Nothing there, a damaged file, or files of different sizes or channels; the message
            names the first such file.
    """
    if path.is_dir():
        names = sorted(filter(_is_image, _below(path)), key=lambda name: name.split("/"))
        return _stack([_file(path / name, name) for name in names], path)
    if path.suffix.lower() in (".npy", ".npz") and path.is_file():
        return _from_array(path)
    if path.suffix.lower() in (".tif", ".tiff") and path.is_file():
        return _stack([_file(path, path.name)], path)
    if path.is_file() and zipfile.is_zipfile(path):
        with _archive(path) as archive:
            members = [one for one in archive.infolist() if _is_image(one.filename) and not one.is_dir()]
            members.sort(key=lambda member: member.filename)
            return _stack([_member(archive, member, path) for member in members], path)
    raise ScoreError(
        f"{path} is {'of an unknown kind' if path.exists() else 'not there'}",
        needed="a folder of images, a zip of them, a TIFF stack, or a .npy or .npz array",
        hint="--generated DIR, samples.zip, samples.tif, samples.npy or samples.npz",
    )


class _Stored(NamedTuple):
    """A file of images, with the bytes that reading it gives."""

    name: str
    size: int
    read: Callable[[], bytes]


def _below(folder: Path) -> Iterator[str]:
    """All files below a folder, by names relative to it; links followed, none of its folders twice."""
    folders, seen, count = [""], set[tuple[int, int]](), 0
    while folders:
        name = folders.pop()
        place = folder / name
        try:
            state = place.stat()
            if is_kernel_device(state.st_dev) or (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            inside = list(_entries(place))
        except OSError as error:  # it may hold images: scores of the others would be of another set
            raise ScoreError(
                f"{place} can't be read: {error.strerror}", needed="folders that can be looked into"
            ) from error
        count += len(inside)
        check_count(count, f"files and folders below {folder}", ScoreError)
        folders += [f"{name}{entry}/" for entry, is_folder in inside if is_folder]
        yield from (name + entry for entry, is_folder in inside if not is_folder)


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """What a folder holds: names, and whether each is a folder, or a link to one."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name, Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_image(name: str) -> bool:
    """Whether a relative path looks like an image; hidden files (``._1.png`` of a Mac) do not count."""
    parts = name.split("/")
    return Path(name).suffix.lower() in SUFFIXES and not any(
        part.startswith((".", "__MACOSX")) for part in parts
    )


def _file(path: Path, name: str) -> _Stored:
    check_regular(path, ScoreError)
    return _Stored(name, path.stat().st_size, path.read_bytes)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged directory makes zipfile raise almost anything
        pass_on_shortage(error)
        raise ScoreError(f"{path} is damaged: {error}", needed="a whole archive") from error
    with archive:
        yield archive


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> _Stored:
    if member.compress_size > path.stat().st_size:
        raise ScoreError(f"{path} is damaged: {member.filename} is larger than it", needed="a whole archive")
    return _Stored(member.filename, member.file_size, lambda: archive.read(member))


def _stack(files: list[_Stored], origin: Path) -> NDArray[np.uint8]:
    check_count(len(files), f"images in {origin}", ScoreError)
    for file in files:
        check_bytes(file.size, f"{origin}: {file.name}", ScoreError)
    if not files:
        raise ScoreError(
            f"{origin} holds no images", needed=f"files that end with {', '.join(sorted(SUFFIXES))}"
        )
    images: NDArray[np.uint8] | None = None
    stacks: list[NDArray[np.uint8]] = []  # of files with several pages, which tell how many only when read
    for number, ((name, *_), pages) in enumerate(zip(files, _decoded(files, origin), strict=True)):
        if images is None:
            check_memory(len(files) * pages[0].size, f"all of {origin}", ScoreError)
            images = np.empty((len(files), *pages[0].shape), dtype=np.uint8)
        for page in pages:
            if page.shape != images.shape[1:]:
                raise ScoreError(
                    f"{origin}: {name} is {_words(page.shape)}, {files[0][0]} is {_words(images.shape[1:])}",
                    needed="one size and one number of channels",
                    hint="export all samples in one size and mode (all grey, or all RGB); "
                    "how they are resized would be part of the score",
                )
        if len(pages) > 1 and not stacks:
            stacks = list(images[:number])
        if len(pages) > 1 or stacks:
            stacks += pages
        else:
            images[number] = pages[0]
    assert images is not None
    return np.stack(stacks) if stacks else images


def _decoded(files: list[_Stored], origin: Path) -> Iterator[list[NDArray[np.uint8]]]:
    with ThreadPoolExecutor() as pool:  # Pillow lets go of the interpreter while it decodes
        for part in _parts(files):
            contents = [(file.name, _read(file, origin)) for file in part]
            yield from pool.map(lambda item: _decode(item[0], item[1], origin), contents)


def _parts(files: list[_Stored]) -> Iterator[list[_Stored]]:
    """Files that are read at once: few, and none beside a large one."""
    part: list[_Stored] = []
    for file in files:
        if part and (len(part) == _AT_ONCE or sum(one.size for one in part) + file.size > _BYTES_AT_ONCE):
            yield part
            part = []
        part.append(file)
    yield part


def _read(file: _Stored, origin: Path) -> bytes:
    try:
        return file.read()
    except Exception as error:  # archives raise whatever their compression does
        pass_on_shortage(error)
        raise ScoreError(
            f"{origin}: {file.name} can't be read: {error}",
            needed="a whole file that may be read; in an archive, stored or deflated, and not encrypted",
        ) from error


def _decode(name: str, content: bytes, origin: Path) -> list[NDArray[np.uint8]]:
    """The pages of a file, (C, H, W) each."""
    pages: list[NDArray[np.uint8]] = []
    try:
        with Image.open(io.BytesIO(content)) as image:
            count = getattr(image, "n_frames", 1)
            check_count(count, f"pages in {origin}: {name}", ScoreError)
            for page in range(count):
                image.seek(page)
                check_pixels(image.height, image.width, f"{origin}: {name}", ScoreError)
                if page == 1:
                    check_memory(pages[0].size * count, f"{origin}: {name}", ScoreError)
                mode = _mode(image)
                if mode not in _CONVERTED:
                    break
                pixels = np.asarray(image.convert(_CONVERTED[mode]))
                pages.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
            else:
                return pages
    except ScoreError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        pass_on_shortage(error)
        raise ScoreError(f"{origin}: {name} is damaged: {error}", needed="a whole image file") from error
    if mode.startswith("I") or mode == "F":
        raise ScoreError(
            f"{origin}: {name} has more than 8 bits a pixel (mode {mode})",
            needed="8 bits a channel",
            hint="scale all samples with one fixed window to 0..255, never each by its own range",
        )
    raise ScoreError(
        f"{origin}: {name} has mode {mode}",
        needed="grey (L) or RGB",
        hint="remove the alpha channel: what lies behind it would change the score"
        if "A" in mode or "a" in mode
        else "convert it to grey or RGB",
    )


def _mode(image: Image.Image) -> str:
    """How an image stores its pixels; with more than 8 bits that Pillow would drop, or with transparency."""
    tiles = [tile.args for tile in getattr(image, "tile", [])]
    raw = [str(args if isinstance(args, str) else args[0]) for args in tiles]
    if image.mode in ("RGB", "RGBA") and any(mode.endswith((";16B", ";16L", ";16N")) for mode in raw):
        return f"I;16 ({image.mode})"
    return "PA" if image.mode == "P" and "transparency" in image.info else image.mode


def _array_of(path: Path) -> NDArray[np.uint8]:
    arrays = headers_of(path)
    images = [name for name, array in arrays.items() if len(array.shape) in (3, 4)]
    name = "arr_0" if "arr_0" in images else images[0] if len(images) == 1 else None
    if name is None and set(arrays) == {""}:
        name = ""
    if name is None:
        held = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()) or "nothing"
        statistics = {"mu", "sigma"} <= set(arrays)
        raise ScoreError(
            f"{path} holds {held}",
            needed="uint8 images called arr_0, or only one array of images",
            hint="statistics of features are a reference: --reference stats.npz --metrics fid"
            if statistics
            else "np.savez(file, images)",
        )
    return read_array(path, name)


def _from_array(path: Path) -> NDArray[np.uint8]:
    array = _array_of(path)
    if array.dtype != np.uint8:
        state = " with NaN" if array.dtype.kind == "f" and np.isnan(array).any() else ""
        raise ScoreError(
            f"{path} holds {array.dtype}{state}",
            needed="uint8, 0 to 255",
            hint="from [-1, 1]: ((x + 1) * 127.5).round().clip(0, 255).astype(np.uint8)",
        )
    if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) > 4:
        raise ScoreError(
            f"{path} holds one picture of shape {array.shape}, or {array.shape[0]} very narrow ones",
            needed="(N, H, W), (N, H, W, C) or (N, C, H, W)",
            hint="array[None] for one picture",
        )
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if not array.size:
        raise ScoreError(f"{path} holds no images", needed="at least one")
    try:
        check_images(array)
    except ScoreError as error:
        raise ScoreError(f"{path} holds {error.found}", needed=error.needed) from None
    return array


def _words(shape: tuple[int, ...]) -> str:
    return f"{shape[2]} x {shape[1]} {'grey' if shape[0] == 1 else 'RGB'}"
