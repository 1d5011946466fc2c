"""MedMNIST: small pictures of many kinds, in the .npz files and with the splits of their publishers."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import (
    Colour,
    DataError,
    Dataset,
    PluginConfig,
    Slice,
    Split,
    check_bytes,
    pass_on_shortage,
    setting,
)

from .colour import as_grey
from .raw import digests_of, existing_root, fingerprint_of, something_else

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
#: Pictures of one item: few enough that an item at 256 px is a few dozen megabytes.
_AT_ONCE = 256


class MedMNISTConfig(PluginConfig):
    """Options of MedMNIST."""

    name: str | None = setting(
        None,
        "which file of the folder, such as pathmnist or pathmnist_64; none where there is only one",
        source="ours",
    )
    label: int | None = setting(
        None,
        "only the pictures of this class, by its number in the file; none for all",
        source="ours: one generator for each class",
        ge=0,
    )
    colour: Colour = setting(
        "auto", "grey, rgb or auto: as the file's pictures are", source="ours: nothing is lost"
    )


class MedMNIST(Dataset[MedMNISTConfig]):
    """Pictures of 28, 64, 128 or 224 pixels, grey or coloured, of one of the published two-dimensional sets.

    The root is an ``.npz`` file or a folder of them. Splits are the publisher's. Nothing tells which pictures
    are of one patient: each counts as a patient of its own. ``label`` chooses one class of pictures.
    """

    version = 2
    Config = MedMNISTConfig
    licence = "CC BY 4.0; dermamnist CC BY-NC 4.0"
    citation = (
        "J. Yang et al.: MedMNIST v2 - a large-scale lightweight benchmark for 2D and 3D biomedical image "
        "classification. Scientific Data 10:41, 2023; and the source of the set (https://medmnist.com)."
    )
    obtain = (
        "download NAME.npz (28 px) or NAME_64.npz, NAME_128.npz, NAME_224.npz from "
        "https://zenodo.org/records/10519652 and name the file or its folder: --data-root pathmnist.npz"
    )
    published_count = "not in the published work"

    def __init__(self, root: Path | None, config: MedMNISTConfig) -> None:
        super().__init__(root, config)
        self.colour = config.colour

    def items(self) -> Sequence[str]:
        """Some pictures of one split each."""
        return [
            f"{split} {first}"
            for split, member in self._members.items()
            for first in range(0, member.shape[0], _AT_ONCE)
        ]

    def read(self, item: str) -> Iterator[Slice]:
        """The pictures from one on."""
        split, number = item.split()
        first, member = int(number), self._members[split]
        pictures = _read(self._path, f"{split}_images", member, first, min(_AT_ONCE, member.shape[0] - first))
        mode = "RGB" if pictures.ndim == 4 else "L"
        wanted = self._wanted(split)
        for index, picture in enumerate(pictures, start=first):
            if wanted is not None and not wanted[index]:
                continue
            pixels, conversion = picture.astype(np.float32) / np.float32(255.0), ""
            if mode == "RGB" and self.config.colour == "grey":
                pixels, conversion = as_grey(pixels, is_8_bit=True)
            patient = f"{split}{index:06d}"
            yield Slice(
                pixels, patient, self._path.name, index, cast(Split, split), mode, conversion=conversion
            )

    def _wanted(self, split: str) -> NDArray[np.bool_] | None:
        """Which pictures of a split are of the chosen class; None for all of them."""
        if self.config.label is None:
            return None
        labels = _labels(self._path, split)
        if labels.shape[1:] != (1,):
            raise DataError(
                f"{self._path} says of each picture {labels.shape[1:]} things, not one class",
                needed="a set of which each picture has one class",
                hint="leave out dataset.label",
            )
        wanted = labels[:, 0] == self.config.label
        if split == "train" and not wanted.any():
            raise DataError(
                f"{self._path} has no picture of class {self.config.label} to train on",
                needed=f"one of {', '.join(map(str, np.unique(labels)))}",
            )
        return np.asarray(wanted)

    def fingerprint(self) -> str:
        """Content of the file."""
        return fingerprint_of(digests_of({self._path.stem: self._path}))

    def notes(self) -> Sequence[str]:
        """That patients are not known."""
        return self.caveats()

    def caveats(self) -> Sequence[str]:
        """That patients are not known, and of one set that its splits are known to divide them."""
        lines = [
            "nothing tells which pictures are of one patient, so each counts as one; a person may be both in "
            "training and held out"
        ]
        if "dermamnist" in self._path.stem.lower():
            lines.append("dermamnist has pictures of one lesion in several splits (arXiv 2401.14497)")
        return lines

    @cached_property
    def _path(self) -> Path:
        root = existing_root(self)
        if root.is_file():
            files = {root.stem: root}
        else:
            files = {path.stem: path for path in sorted(root.glob("*.npz")) if path.is_file()}
        if not files:
            raise something_else(self, "NAME.npz files of MedMNIST")
        name = self.config.name
        if name is None and len(files) == 1:
            return next(iter(files.values()))
        if name not in files:
            raise DataError(
                f"{root} holds {', '.join(files)}" + (f", no {name}" if name else ""),
                needed="the name of one of them",
                hint=f"--set dataset.name={min(files)}",
            )
        return files[name]

    @cached_property
    def _members(self) -> dict[str, _Member]:
        """The arrays of pictures by split."""
        members: dict[str, _Member] = {}
        for split in _SPLITS:
            member = _opened(self._path, f"{split}_images").member
            # (N, side, side) is grey, (N, side, side, 3) coloured.
            if member.shape[3:] not in ((), (3,)) or len(member.shape) < 3 or member.dtype != np.uint8:
                raise DataError(
                    f"{self._path}: {split}_images is {member.dtype} {member.shape}",
                    needed="uint8 (N, side, side) or (N, side, side, 3); three-dimensional sets are not read",
                    hint=self.obtain,
                )
            check_bytes(
                _AT_ONCE * 4 * math.prod(member.shape[1:]),
                f"{self._path}: {_AT_ONCE} pictures of {member.shape[1:]}",
                DataError,
            )
            members[split] = member
        return members


class _Member(NamedTuple):
    """An array in an archive: its type, its shape, and where its first value is."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class _Open(NamedTuple):
    file: Any
    member: _Member


def _read(path: Path, name: str, member: _Member, first: int, count: int) -> NDArray[np.uint8]:
    """Some pictures of an array, uint8 (count, ...)."""
    size = int(np.prod(member.shape[1:]))
    try:
        file = _opened(path, name).file
        file.seek(member.offset + first * size)
        content = file.read(count * size)
    except DataError:
        raise
    except Exception as error:  # damaged archives raise almost anything
        pass_on_shortage(error)
        raise _damaged(path, name, error) from error
    if len(content) != count * size:
        raise _damaged(path, name, "it ends too early")
    return np.frombuffer(content, np.uint8).reshape(count, *member.shape[1:])


def _opened(path: Path, name: str) -> _Open:
    try:
        return _left_open(path, name, path.stat().st_mtime_ns)
    except Exception as error:  # damaged archives raise almost anything
        pass_on_shortage(error)
        raise _damaged(path, name, error) from error


@lru_cache(maxsize=len(_SPLITS))
def _left_open(path: Path, name: str, changed: int) -> _Open:
    """An array of an archive, open: whoever goes on from where it was read last unpacks nothing twice."""
    archive = zipfile.ZipFile(path)
    size = archive.getinfo(f"{name}.npy").file_size
    file = archive.open(f"{name}.npy")
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, is_fortran, dtype = read_header(file)
    if is_fortran and len(shape) > 1:
        raise ValueError("columns before rows")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{size:,} bytes are not {dtype} {shape}")
    return _Open(file, _Member(dtype, shape, file.tell()))


@lru_cache(maxsize=len(_SPLITS))
def _labels(path: Path, split: str) -> NDArray[np.integer]:
    """What a file says of the pictures of a split, (N, questions)."""
    name = f"{split}_labels"
    try:
        with np.load(path, allow_pickle=False) as archive:
            labels: NDArray[np.integer] = archive[name]
    except Exception as error:  # damaged archives raise almost anything
        pass_on_shortage(error)
        raise _damaged(path, name, error) from error
    if labels.ndim != 2 or labels.dtype.kind not in "ui":
        raise _damaged(path, name, f"it is {labels.dtype} {labels.shape}")
    return labels


def _damaged(path: Path, name: str, error: object) -> DataError:
    return DataError(
        f"{path} has no readable array {name}: {error}",
        needed="a complete .npz file with train_images, val_images and test_images",
        hint=MedMNIST.obtain,
    )
