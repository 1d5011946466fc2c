"""Any folder of images: so that a user benchmarks their own without writing a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.api import ChoiceError, DataError, Dataset, Slice, spread

from .colour import as_grey, is_coloured
from .files import Found, find_files, readable
from .folder_options import FolderConfig
from .opening import is_deep, open_file, picture_size
from .raw import contents, digests_of, existing_root, fingerprint_of
from .scale import Stack, Window, by_percentile, named, shared
from .space import centred, resampled, sizes_of
from .survey import IMAGES, File, Survey, candidates, groups, survey, told
from .table import Table, read_table

#: The table that is used unasked, if it is there.
_TABLE = "patients.csv"


class Folder(Dataset[FolderConfig]):
    """PNG, JPEG, TIFF, BMP, GIF, PGM, WebP, NIfTI, npy and DICOM files below a folder.

    What files say of themselves decides: ``docs/datasets.md`` tells how. What belongs together is on one
    scale: a patient's folder between the same percentiles or in the same window, all pictures of more than
    8 bits up to the brightest of them. Masks and other modalities are left out by their names. Patients are
    those of the table, of DICOM's PatientID, or of known names; else every file is one. Splits are those of
    the table, or of folders such as train and test, or by a hash of the patient's id: 60 % train, 15 % val,
    25 % test.
    """

    version = 4
    Config = FolderConfig
    licence = "whatever the folder's owner says"
    citation = "whatever the folder's owner says"
    obtain = f"name a folder of {IMAGES}: --data-root DIR"
    libraries = ("nibabel", "pydicom")

    def __init__(self, root: Path | None, config: FolderConfig) -> None:
        super().__init__(root, config)
        self.square = config.square
        self.flips = config.flips
        self.colour = config.colour

    def items(self) -> Sequence[str]:
        """Paths of files in the folder; of those that are scaled together, the first."""
        _ = self._canvas, self._brightest  # once, and not in every process that reads
        return list(self._parts)

    def read(self, item: str) -> Iterator[Slice]:
        """The images of one file, or of all that are scaled together with it."""
        names, window = self._parts[item]
        try:
            yield from self._images(names, window)
        except DataError as error:
            others = f"; and {len(names) - 1} other files share its scale" if len(names) > 1 else ""
            raise type(error)(readable(error.found) + others, needed=error.needed, hint=error.hint) from error

    def _images(self, names: Sequence[str], window: Window | None) -> Iterator[Slice]:
        opened: Iterable[tuple[str, Iterable[Stack]]] = ((name, self._open(name)) for name in names)
        if window is None:
            opened = [(name, list(stacks)) for name, stacks in opened]  # read once, and scaled together
            window = self._window_of([stack for _, stacks in opened for stack in stacks], names[0])
        for name, stacks in opened:
            index = 0
            for stack in stacks:
                for pixels in stack.greys(window):
                    yield self._slice(name, index, pixels, stack)
                    index += 1

    def _slice(self, name: str, index: int, pixels: NDArray[np.float32], stack: Stack) -> Slice:
        file, spacing = self._survey.files[name], self.config.spacing
        raw_shape = pixels.shape[:2]
        known = stack.spacing if stack.in_mm or spacing is None else None
        pixels, conversion = self._coloured(pixels, is_8_bit=stack.white == 255.0)
        picture = resampled(pixels, sizes_of((raw_shape[0], raw_shape[1]), known, spacing, name))
        if spacing is not None:
            picture = centred(picture, self._canvas)
        return Slice(
            picture, file.patient, name, index, file.split, stack.mode, raw_shape, conversion=conversion
        )

    def _coloured(self, pixels: NDArray[np.float32], *, is_8_bit: bool) -> tuple[NDArray[np.float32], str]:
        """A picture with its colours or in grey, and what was lost by that."""
        if pixels.ndim == 2 or self.config.colour == "rgb":
            return pixels, ""
        if self.config.colour == "auto" and is_coloured(pixels):
            return pixels, ""
        return as_grey(pixels, is_8_bit=is_8_bit)

    def fingerprint(self) -> str:
        """Content of all files that may be used, and of the table."""
        files = {name: file.path for name, file in self._candidates[0].items()}
        if self._table_name is not None:
            files[self._table_name] = self._found.files[self._table_name]
        return fingerprint_of(digests_of(files))

    def left_out(self) -> Mapping[str, str]:
        """Why each file that is not used is not."""
        return self._survey.left_out

    def notes(self) -> Sequence[str]:
        """Which modality is used, and what is white in pictures of more than 8 bits."""
        lines = []
        if self._survey.modalities:
            chosen, *others = self._survey.modalities
            lines.append(
                f"the modality is {chosen}; others are {', '.join(others)}: --set dataset.modality=NAME"
            )
        if self._brightest is not None and self.config.high is None:
            lines.append(
                f"in pictures of more than 8 bits, {self._brightest:g} is white, the brightest of them all: "
                "--set dataset.high=WHITE for another"
            )
        return [*lines, *self.caveats()]

    def caveats(self) -> Sequence[str]:
        """Whether patients are known."""
        if not self._survey.unknown:
            return []
        patients = len({file.patient for file in self._survey.files.values()})
        return [
            f"nothing tells the patients of {self._survey.unknown} files, so each counts as one, which makes "
            f"{patients} patients; a person with several files may be both in training and held out: "
            f"--set dataset.patient=parent or =REGEX, or a table {_TABLE}"
        ]

    @cached_property
    def _found(self) -> Found:
        root = existing_root(self)
        return find_files(root) if root.is_dir() else Found({}, {})

    @cached_property
    def _table_name(self) -> str | None:
        """The table, whatever the case of its name."""
        wanted = (self.config.table or _TABLE).lower()
        name = next((name for name in self._found.files if name.lower() == wanted), None)
        if name is None and self.config.table is not None:
            raise DataError(
                f"{self.root} has no {self.config.table}",
                needed="the table of patients, its path relative to the folder",
                hint="leave out dataset.table",
            )
        return name

    @cached_property
    def _table(self) -> Table | None:
        name = self._table_name
        if name is None or self.root is None:
            return None
        return read_table(self._found.files[name], self.root)

    @cached_property
    def _candidates(self) -> tuple[dict[str, File], dict[str, str]]:
        config = self.config
        files, left_out = candidates(
            self._found, self._table_name, config.include, config.exclude, masks=config.masks
        )
        if not files:
            self._refuse(left_out)
        return files, left_out

    @cached_property
    def _survey(self) -> Survey:
        files, left_out = self._candidates
        self._check_table(files)
        config = self.config
        result = survey(
            files,
            left_out,
            table=self._table,
            patient=config.patient,
            modality=f"{config.modality:04d}" if isinstance(config.modality, int) else config.modality,
            plane=config.plane,
        )
        if not result.files:
            self._refuse(result.left_out)
        return result

    @cached_property
    def _parts(self) -> dict[str, tuple[list[str], Window | None]]:
        """What is read at once: a file if its window is known before its pixels are, or else a group."""
        parts: dict[str, tuple[list[str], Window | None]] = {}
        for first, names in groups(self._survey.files).items():
            window = self._window_before(names)
            parts |= {first: (names, None)} if window is None else {name: ([name], window) for name in names}
        return dict(sorted(parts.items()))

    def _refuse(self, left_out: Mapping[str, str]) -> None:
        """There is something, and no image among it."""
        assert self.root is not None
        why = f" ({told(left_out)}, such as {next(iter(left_out))})" if left_out else ""
        raise DataError(
            f"{self.root} holds {contents(self.root)}: no image that is used{why}",
            needed=IMAGES,
            hint=self.obtain,
        )

    def _check_table(self, files: Mapping[str, File]) -> None:
        """Nobody may be forgotten: a file without a patient would count as another patient."""
        if self._table is None:
            return
        named = set(self._table.patients)
        absent, strangers = named - set(self._found.files), set(files) - named
        if absent or strangers:
            name = min(strangers) if strangers else min(absent)
            found = "is not in" if strangers else "does not exist, but is in"
            raise DataError(
                f"{name} {found} {self._table_name} ({len(absent) + len(strangers)} such files)",
                needed="one line in the table for each file, its path relative to the folder",
                hint="--set dataset.exclude=GLOB for files that are none of the set's",
            )

    @property
    def _is_named(self) -> bool:
        return self.config.low is not None or self.config.high is not None

    def _open(self, name: str) -> Iterator[Stack]:
        return open_file(
            self._survey.files[name],
            as_told=not self._is_named,
            plane=self.config.plane,
            volume=self.config.volume,
            axes=self.config.axes,
        )

    def _window_before(self, names: Sequence[str]) -> Window | None:
        """The window of a group, where it is known before its pixels are."""
        low, high = self.config.low, self.config.high
        if low is not None and high is not None:
            return named(low, high, names[0])
        files = [self._survey.files[name] for name in names]
        windows = [window for file in files if file.header for window in file.header.windows]
        return shared(windows) if windows and not self._is_named else None

    def _window_of(self, stacks: Sequence[Stack], first: str) -> Window | None:
        """The window of a group that names none; none where its files' types tell what is white."""
        unclear = [stack for stack in stacks if stack.white is None]
        if not unclear:
            return None
        low, high = self.config.low, self.config.high
        if self._survey.files[first].kind in ("volume", "dicom"):
            return by_percentile(unclear, low, high, self.config.percentile, first)
        if unclear[0].starts_at_zero and (high is not None or self._brightest is not None):
            high = self._brightest if high is None else high
            assert high is not None
            return named(0.0 if low is None else low, high, first)
        values = unclear[0].values
        raise ChoiceError(
            f"{first} holds {_words(unclear[0].mode)} from {values.min():g} to {values.max():g}",
            needed="the values that are black and white",
            hint=f"--set dataset.low={values.min():g} --set dataset.high={values.max():g}, or a window that "
            "suits all files",
        )

    @cached_property
    def _brightest(self) -> float | None:
        """The highest value of all pictures of more than 8 bits; None where there are none."""
        if self.config.high is not None:
            return None
        deep = [name for name, file in self._survey.files.items() if is_deep(file)]
        found = spread(self._highest, deep, chunk=10)
        return max((highest for highest in found if highest is not None), default=None)

    def _highest(self, name: str) -> float | None:
        """The highest value of a picture of more than 8 bits whose white is not known."""
        try:
            stacks = [stack for stack in self._open(name) if stack.white is None and stack.starts_at_zero]
        except DataError:
            return None  # told when it is read
        return max((float(stack.values.max()) for stack in stacks), default=None)

    @cached_property
    def _canvas(self) -> tuple[int, int]:
        """The rows and columns that hold every image of the set, where all pixels have one size."""
        if self.config.spacing is None:
            return 0, 0
        largest = np.ones(2, dtype=np.int64)
        for name, file in self._survey.files.items():
            size = picture_size(file, self.config.plane)
            if size is not None:
                shape = sizes_of(size[0], size[1], self.config.spacing, name)
                largest = np.maximum(largest, shape)
        return int(largest[0]), int(largest[1])


def _words(mode: str) -> str:
    """A type of numbers, as people call it."""
    if mode.startswith("int"):
        return f"signed {mode[3:]}-bit values ({mode})"
    return "floats" if mode.startswith("float") else mode
