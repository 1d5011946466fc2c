"""A prepared image set: uint8 pixels in a memory map beside a table that knows every patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..api import DataError, SpecError, Split
from ..files import sha256_of_file
from .layers import PIXELS, REGIONS, SOURCE

if TYPE_CHECKING:
    import pandas

#: Raise it whenever the stored files change their meaning.
FORMAT = 2
TABLE, META = "table.csv", "meta.json"
COLUMNS = ("patient", "source", "index", "split", "height", "width", "mode")
_NUMBERS = ("index", "height", "width")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square grey images of one resolution, in the order of the data set's items.

    Attributes:
        name: The data set's registered name.
        fingerprint: Identity of exactly these pixels and rows: it changes with the raw content, the data
            set's version and options, the resolution, and any selection.
        images: uint8 (N, 1, H, W), read only; a memory map when opened from the cache.
        table: One row per image: ``patient``, ``source`` (raw file), ``index`` (slice in that file),
            ``split``, and the raw slice's ``height``, ``width`` and ``mode``.
        skipped: ``{"item", "reason"}`` for every damaged item that was left out on request.
        home: The folder it was opened from.
        source: uint8 (N, 1, H, W), the same slices in the source modality; None outside of pairs.
        regions: Parts of the images by name, bool (N, 1, H, W).
        libraries: Versions of the libraries that made these pixels from raw files; None where that was not
            kept, in sets that were prepared before it was.
    """

    name: str
    fingerprint: str
    images: NDArray[np.uint8]
    table: pandas.DataFrame
    skipped: list[dict[str, str]] = field(default_factory=list)
    home: Path | None = None
    source: NDArray[np.uint8] | None = None
    regions: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    libraries: Mapping[str, str] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def resolution(self) -> int:
        """Side of an image, in pixels."""
        return int(self.images.shape[-1])

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
            images=_rows(self.images, rows),
            table=self.table.iloc[rows].reset_index(drop=True),
            source=None if self.source is None else _rows(self.source, rows),
            regions={name: _rows(masks, rows) for name, masks in self.regions.items()},
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
        """Open a prepared folder in milliseconds, without reading its pixels.

        Raises:
            DataError: It is not a complete prepared set of this format.
        """
        import pandas  # a dry run does without

        try:
            meta = read_meta(home)
            # A patient called 007 or NA is neither the number 7 nor a missing value.
            kinds = {column: int if column in _NUMBERS else str for column in COLUMNS}
            table = pandas.read_csv(home / TABLE, dtype=kinds, keep_default_na=False)
            names, side = meta.get("regions", []), meta["resolution"]
            images = _opened(home / PIXELS, (len(table), 1, side, side), np.uint8)
            source, regions = None, {}
            if SOURCE in meta["sha256"]:
                source = _opened(home / SOURCE, images.shape, np.uint8)
            if REGIONS in meta["sha256"]:
                masks = _opened(home / REGIONS, (len(table), len(names), side, side), np.bool_)
                regions = {name: masks[:, number : number + 1] for number, name in enumerate(names)}
            name, digest, skipped = meta["name"], meta["fingerprint"], meta["skipped"]
            libraries = meta.get("libraries")
            return cls(name, digest, images, table, skipped, home, source, regions, libraries)
        except Exception as error:  # damaged files make json, numpy and pandas raise almost anything
            raise DataError(
                f"{home} is not a prepared image set: {error}", hint="delete it and prepare again"
            ) from error

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each file of the folder, as it was written; empty for a set that has none."""
        written: dict[str, str] = {} if self.home is None else read_meta(self.home)["sha256"]
        return written

    def verify(self) -> None:
        """Read every byte of a prepared folder and compare with what was written.

        Raises:
            DataError: The folder changed since it was prepared.
        """
        for name, digest in self.digests.items():
            assert self.home is not None  # or there are no digests
            path = self.home / name
            if not path.is_file() or sha256_of_file(path) != digest:
                raise DataError(
                    f"{path} changed since it was prepared",
                    hint=f"rm -r '{self.home}' and prepare again",
                )


def _opened(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    if array.shape != shape or array.dtype != kind:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape}, {TABLE} {shape[0]} rows")
    return array


def _rows(array: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    chosen = array[rows]
    chosen.flags.writeable = False
    return chosen


def read_meta(home: Path) -> dict[str, Any]:
    """What a prepared folder says of itself.

    Raises:
        OSError: There is no such file.
        ValueError: It is of another format.
    """
    meta: dict[str, Any] = json.loads((home / META).read_text(encoding="utf-8"))
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError(f"{META} is not of format {FORMAT}")
    return meta
