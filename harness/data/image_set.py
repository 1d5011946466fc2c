"""A prepared image set: uint8 pixels in a memory map beside a table that knows every patient."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..api import DataError, SpecError, Split
from ..files import move_aside, read_json, sha256_of_file, unsealed
from ..shortage import pass_on_shortage
from .layers import LABELS, PIXELS, SOURCE
from .stack import Stack

if TYPE_CHECKING:
    import pandas

#: Raise it whenever the stored files change their meaning.
FORMAT = 3
TABLE, META = "table.csv", "meta.json"
COLUMNS = ("patient", "source", "index", "split", "height", "width", "mode", "conversion", "labels")
_NUMBERS = ("index", "height", "width")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square images of one resolution, in the order of the data set's items.

    Attributes:
        name: The data set's registered name.
        fingerprint: Identity of exactly these pixels and rows: it changes with the raw content, the data
            set's version and options, the resolution, and any selection.
        stacks: The images as they are stored, by the file that holds them: pixels, and where a set has them
            those of the source modality, and labels.
        table: One row per image: ``patient``, ``source`` (raw file), ``index`` (slice in that file),
            ``split``, the raw slice's ``height``, ``width`` and ``mode``, its ``conversion`` where something
            was lost, and the names of its ``labels`` between semicolons.
        skipped: ``{"item", "reason"}`` for every damaged item that was left out on request.
        home: The folder it was opened from.
        label_names: What the labels 1, 2, ... mean.
        unions: The labels of each region, by its name.
        libraries: Versions of the libraries that made these pixels from raw files.
    """

    name: str
    fingerprint: str
    stacks: Mapping[str, Stack]
    table: pandas.DataFrame
    skipped: list[dict[str, str]] = field(default_factory=list)
    home: Path | None = None
    label_names: tuple[str, ...] = ()
    unions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stacks[PIXELS])

    @property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (N, C, H, W), grey with one channel or RGB with three, read only.

        A memory map of a whole set; of a selection a copy, made when it is asked for.
        """
        return self.stacks[PIXELS].array

    @property
    def source(self) -> NDArray[np.uint8] | None:
        """uint8 (N, C, H, W), the same slices in the source modality; None outside of pairs."""
        return self.stacks[SOURCE].array if SOURCE in self.stacks else None

    @property
    def labels(self) -> NDArray[np.uint8] | None:
        """What each pixel shows, uint8 (N, 1, H, W); None for a set without a segmentation.

        0 for nothing, k for the k-th of ``label_names``, 255 where that is not known.
        """
        return self.stacks[LABELS].array if LABELS in self.stacks else None

    @property
    def resolution(self) -> int:
        """Side of an image, in pixels."""
        return self.stacks[PIXELS].shape[-1]

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for RGB."""
        return self.stacks[PIXELS].shape[1]

    @property
    def conversions(self) -> dict[str, int]:
        """What was lost between raw files and images, and in how many of them."""
        if "conversion" not in self.table:
            return {}
        counts = self.table["conversion"].value_counts()
        return {str(name): int(count) for name, count in counts.items() if name}

    @cached_property
    def regions(self) -> dict[str, NDArray[np.bool_]]:
        """Parts of the images by name, bool (N, 1, H, W): each the union of some labels."""
        if self.labels is None:
            return {}
        is_inside = {name: np.zeros(256, np.bool_) for name in self.unions}
        for name, members in self.unions.items():
            is_inside[name][[self.label_names.index(member) + 1 for member in members]] = True
        return {name: inside[self.labels] for name, inside in is_inside.items()}

    @cached_property
    def structures(self) -> dict[str, tuple[int, ...]]:
        """What is scored by name where labels are: each label by itself, and each region in its place."""
        numbers = {name: number for number, name in enumerate(self.label_names, start=1)}
        alone: dict[str, tuple[int, ...]] = {name: (number,) for name, number in numbers.items()}
        return alone | {
            name: tuple(numbers[member] for member in members) for name, members in self.unions.items()
        }

    @property
    def patients(self) -> NDArray[np.str_]:
        """Patient of each image, (N,)."""
        return self.table["patient"].to_numpy(dtype=np.str_)

    def select(self, which: NDArray[np.bool_] | Split | Sequence[Split]) -> ImageSet:
        """The images of one or more splits, or those where a mask (N,) is true.

        Raises:
            SpecError: There is no such split.
        """
        mask = np.asarray(which)
        if mask.dtype != np.bool_:
            names = np.atleast_1d(mask).tolist()
            if unknown := sorted(set(names) - set(get_args(Split))):
                raise SpecError(f"unknown split {unknown[0]!r}", needed=", ".join(get_args(Split)))
            mask = self.table["split"].isin(names).to_numpy()
        if mask.all():
            return self
        rows = np.flatnonzero(mask)
        digest = hashlib.sha256(f"{self.fingerprint} {rows.tolist()}".encode()).hexdigest()
        return replace(
            self,
            fingerprint=digest,
            stacks={file: stack.select(rows) for file, stack in self.stacks.items()},
            table=self.table.iloc[rows].reset_index(drop=True),
        )

    def limit(self, count: int, seed: int = 0) -> ImageSet:
        """At most ``count`` images, drawn by ``seed`` so that as many patients as possible stay.

        Raises:
            SpecError: ``count`` is not positive.
        """
        if count < 1:
            raise SpecError(f"a limit of {count} images", needed="at least 1")
        # Each image's rank among its patient's, then in rounds: everybody's first, everybody's second, ...
        shuffled = self.table.sample(frac=1.0, random_state=seed)
        rounds = shuffled.groupby("patient").cumcount()
        chosen = rounds.sort_values(kind="stable").index[:count]
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[chosen] = True
        return self.select(mask)

    @classmethod
    def open(cls, home: Path) -> ImageSet:
        """Open a prepared folder, and believe nothing in it that is not as it was written.

        Every byte is read once: 0.1 s for 6528 coloured images of 64 px.

        Raises:
            DataError: It is not a complete prepared set of this format, or changed since it was written.
        """
        import pandas  # a dry run does without

        try:
            meta = read_meta(home)
            for file, digest in meta["digests"].items():
                if sha256_of_file(home / file) != digest:
                    raise ValueError(f"{file} changed since it was prepared")
            # A patient called 007 or NA is neither the number 7 nor a missing value.
            kinds = {column: int if column in _NUMBERS else str for column in COLUMNS}
            table = pandas.read_csv(home / TABLE, dtype=kinds, keep_default_na=False)
            side, channels = meta["resolution"], meta["channels"]
            stacks = {
                file: Stack(_opened(home / file, (len(table), count, side, side)))
                for file, count in channels.items()
            }
            return cls(
                meta["name"],
                meta["fingerprint"],
                stacks,
                table,
                meta["skipped"],
                home,
                tuple(meta["labels"]),
                meta["regions"],
                meta["libraries"],
            )
        except Exception as error:  # damaged files make json, numpy and pandas raise almost anything
            pass_on_shortage(error)
            raise DataError(
                f"{home} is not a prepared image set: {error}", hint=f"{move_aside(home)}, and prepare again"
            ) from error

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each file of the folder, as it was written; empty for a set that has none."""
        written: dict[str, str] = {} if self.home is None else read_meta(self.home)["digests"]
        return written


def _opened(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="r")
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape}, not uint8 {shape}")
    return array


def read_meta(home: Path) -> dict[str, Any]:
    """What a prepared folder says of itself.

    Raises:
        OSError: There is no such file.
        ValueError: It is damaged, edited, or of another format.
    """
    meta = unsealed(read_json(home / META))
    if meta["format"] != FORMAT:
        raise ValueError(f"{META} is not of format {FORMAT}")
    return meta
