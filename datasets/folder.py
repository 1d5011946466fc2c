"""Any folder of images: so that a user benchmarks their own without writing a plugin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from harness.api import DataError, Dataset, Flip, PluginConfig, Slice, Square, setting

from .dicom import read_dicom
from .image_files import grey_pages
from .nifti import ENDINGS as NIFTI
from .nifti import Volume, as_shown, read_volume
from .raw import digests_of, existing_root, fingerprint_of, something_else, split_by_hash
from .table import Table, read_table
from .volumes import all_files

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_DICOM = (".dcm", ".dicom", ".ima")
_ENDINGS = (*_PICTURES, *NIFTI, ".npy", *_DICOM)
_orientations: Any = nibabel.orientations  # untyped
_WHITE = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}

#: A 16-bit image without a value above this is what a 12-bit scanner gave: at full scale it would be black.
_TWELVE_BITS = 4095


Flips = Annotated[
    tuple[Flip, ...], BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value)
]


class FolderConfig(PluginConfig):
    """Options of a folder of images."""

    square: Square = setting(
        "pad",
        "how images that are not square become so: crop, pad or stretch",
        source="ours: nothing is lost",
    )
    flips: Flips = setting(
        (),
        "mirrorings that keep the anatomy, such as left-right; others that a model trains on are told",
        source="ours: nobody knows what a folder shows",
    )
    table: str = setting(
        "patients.csv",
        "CSV file in the folder with the columns file, patient and, if wanted, split",
        source="ours",
    )
    low: float | None = setting(
        None,
        "value of a volume, DICOM or 16-bit image that becomes black",
        source="ours: none for a percentile; for 16-bit images, for 0",
    )
    high: float | None = setting(
        None,
        "value of a volume, DICOM or 16-bit image that becomes white",
        source="ours: none for a percentile; for 16-bit images, for 65535",
    )
    percentile: float = setting(
        99.5,
        "percentile of a volume that becomes white; what is left to 100 is the one that becomes black",
        source="ours: as for the other volumes",
        gt=50.0,
        le=100.0,
    )


class Folder(Dataset[FolderConfig]):
    """PNG, JPEG, TIFF (8 and 16 bit), NIfTI, npy and DICOM files below a folder.

    A NIfTI volume gives its axial slices, turned as a radiologist sees them where its header tells how it
    lies. An npy file holds one image (H, W) or several (N, H, W): uint8, uint16, or floats in [0, 1].
    Without a table, every file is a patient of its own (a DICOM file names its patient). Splits that the
    table doesn't name are by a hash of the patient's id: 60 % train, 15 % val, 25 % test.
    """

    version = 2
    Config = FolderConfig
    licence = "whatever the folder's owner says"
    citation = "whatever the folder's owner says"
    obtain = "name a folder of PNG, JPEG, TIFF, NIfTI, npy or DICOM files: --data-root DIR"
    libraries = ("nibabel", "pydicom")
    published_count = "not in the published work"

    def __init__(self, root: Path | None, config: FolderConfig) -> None:
        super().__init__(root, config)
        self.square = config.square
        self.flips = config.flips

    def items(self) -> Sequence[str]:
        """Paths of all images, relative to the folder."""
        self._check_table()
        return list(self._files)

    def read(self, item: str) -> Iterator[Slice]:
        """The images of one file."""
        path = self._files[item]
        for index, (pixels, mode, named) in enumerate(self._images(path)):
            patient = self._table.patients.get(item) or named or _without_ending(item)
            split = self._table.splits.get(patient) or split_by_hash(patient)
            yield Slice(pixels, patient, item, index, split, mode)

    def fingerprint(self) -> str:
        """Content of all files and of the table."""
        digests = digests_of(self._files)
        assert self.root is not None
        if self._table.patients:
            digests |= digests_of({self.config.table: self.root / self.config.table})
        return fingerprint_of(digests)

    @cached_property
    def _files(self) -> dict[str, Path]:
        root = existing_root(self)
        paths = (
            [path for path in all_files(root) if path.name.lower().endswith(_ENDINGS)]
            if root.is_dir()
            else []
        )
        if not paths:
            raise something_else(self, f"images that end in {', '.join(_ENDINGS)}")
        return {path.relative_to(root).as_posix(): path for path in paths}

    @cached_property
    def _table(self) -> Table:
        path = existing_root(self) / self.config.table
        return read_table(path) if path.is_file() else Table({}, {})

    def _check_table(self) -> None:
        """Nobody may be forgotten: a file without a patient would count as another patient."""
        named = set(self._table.patients)
        if named and (strangers := set(self._files) ^ named):
            name = min(strangers)
            found = "does not exist, but is in" if name in named else "is not in"
            raise DataError(
                f"{name} {found} {self.config.table} ({len(strangers)} such files)",
                needed="one line in the table for each file, its path relative to the folder",
            )

    def _images(self, path: Path) -> Iterator[tuple[NDArray[np.float32], str, str]]:
        """Pixels, stored mode and, if the file knows, the patient."""
        name = path.name.lower()
        if name.endswith(NIFTI):
            yield from self._volume_slices(read_volume(path))
        elif name.endswith(_DICOM):
            use_window = self.config.low is None and self.config.high is None
            image = read_dicom(path, use_window=use_window)
            frames = (
                image.frames
                if image.is_shown
                else self._scaled(image.frames, path, self.config.low, self.config.high)
            )
            for frame in frames:
                pixels = 1.0 - frame if image.is_inverted and not image.is_shown else frame
                yield pixels, "DICOM", image.patient
        elif name.endswith(".npy"):
            for pixels, mode in _array_images(path):
                yield self._windowed(pixels, path) if mode == "uint16" else pixels, mode, ""
        else:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path} can't be read: {error.strerror or error}") from error
            for pixels, mode in grey_pages(content, str(path)):
                yield self._windowed(pixels, path) if mode.startswith("I;16") else pixels, mode, ""

    def _volume_slices(self, volume: Volume) -> Iterator[tuple[NDArray[np.float32], str, str]]:
        values = self._scaled(volume.values(), volume.path, self.config.low, self.config.high)
        if volume.affine is not None:
            stored = _orientations.io_orientation(volume.affine)
            if np.isfinite(stored).all():  # else it lies on no axis: as stored
                wanted = _orientations.axcodes2ornt("LPS")
                turn = _orientations.ornt_transform(stored, wanted)
                values = _orientations.apply_orientation(values, turn)
        for z in range(values.shape[2]):
            yield as_shown(values[:, :, z]), volume.mode, ""

    def _windowed(self, unit: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
        """A 16-bit image between ``low`` and ``high``, or at the full scale of its type."""
        values = unit * np.float32(65535.0)
        low, high = self.config.low, self.config.high
        if low is not None or high is not None:
            return self._scaled(values, path, 0.0 if low is None else low, 65535.0 if high is None else high)
        brightest = round(float(values.max()))
        if 0 < brightest <= _TWELVE_BITS:
            raise DataError(
                f"{path} has 16 bits and no value above {brightest}: it would be black",
                needed="the values that are black and white",
                hint=f"--set dataset.low=0 --set dataset.high={_TWELVE_BITS}",
            )
        return unit

    def _scaled(
        self, values: NDArray[np.float32], path: Path, low: float | None, high: float | None
    ) -> NDArray[np.float32]:
        """Bring values of any unit to [0, 1]."""
        if low is None:
            low = float(np.percentile(values, 100.0 - self.config.percentile))
        if high is None:
            high = float(np.percentile(values, self.config.percentile))
        if not low < high:
            raise DataError(
                f"{path} has no contrast between {low:g} and {high:g}",
                needed="more than one grey",
                hint="name other values with low and high",
            )
        unit: NDArray[np.float32] = np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32)
        return unit


def _array_images(path: Path) -> Iterator[tuple[NDArray[np.float32], str]]:
    try:
        # Mapped, because numpy checks then that the file is as long as its header says.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # headers are parsed as Python and raise what that raises
        raise DataError(f"{path} is damaged, or no npy file: {error}", hint="get this file again") from error
    kind = str(array.dtype.newbyteorder("="))
    if array.ndim not in (2, 3) or not array.size or (kind not in _WHITE and array.dtype.kind != "f"):
        raise DataError(
            f"{path} holds {kind} of shape {array.shape}",
            needed="(H, W) or (N, H, W) of uint8, uint16, or floats in [0, 1]",
        )
    for image in array if array.ndim == 3 else array[None]:
        pixels = np.asarray(image, dtype=np.float32) / np.float32(_WHITE.get(kind, 1.0))
        if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise DataError(
                f"{path} holds floats from {pixels.min():g} to {pixels.max():g}", needed="floats in [0, 1]"
            )
        yield pixels, kind


def _without_ending(item: str) -> str:
    ending = next(ending for ending in _ENDINGS if item.lower().endswith(ending))
    return item[: -len(ending)]
