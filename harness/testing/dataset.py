"""What the core may expect of every data set."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..api import Dataset, Pair, Slice
from ..data.layers import check_slice
from .findings import Checked, Checks
from .settings import faults_of_config, faults_of_version

ITEMS = 8
"""Items that are read, spread over the set."""
SLICES = 8
"""Slices of each that are looked at."""
COPIED_BYTES = 2**28
"""Raw files up to this size are copied, to see that their dates don't matter."""
SPLITS = ("train", "val", "test")


def check_dataset(
    dataset: type[Dataset],
    *,
    name: str | None = None,
    root: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Checked:
    """Check that a data set keeps its contract (``harness.api.Dataset``).

    Args:
        dataset: Its class.
        name: What to call it; None for the name of the class.
        root: Its raw files, for a set that needs some. They are only read.
        settings: Overrides of its default config.
    """
    checks = Checks(f"dataset {name or getattr(dataset, '__name__', dataset)}")
    if not checks.run("class", lambda: _faults_of_class(dataset)):
        return checks.result
    checks.run("version", lambda: faults_of_version(dataset))
    checks.run("settings are documented", lambda: faults_of_config(dataset))
    _DatasetChecks(dataset, root, dict(settings or {}), checks).run()
    return checks.result


def _faults_of_class(dataset: object) -> Iterator[str]:
    if not (isinstance(dataset, type) and issubclass(dataset, Dataset)):
        yield f"{dataset!r} is no class of harness.api.Dataset"
    elif missing := sorted(dataset.__abstractmethods__):
        yield f"it lacks {', '.join(missing)}"


class _DatasetChecks:
    """The checks that need a data set which exists."""

    def __init__(
        self, kind: type[Dataset], root: Path | None, settings: Mapping[str, Any], checks: Checks
    ) -> None:
        self.kind = kind
        self.root = root
        self.settings = settings
        self.checks = checks

    def run(self) -> None:
        """All of them, as far as each makes sense after the ones before."""
        run = self.checks.run
        if not run("items are the same at every call", self.items):
            return
        run("slices are valid images", self.slices)
        run("a patient is in one split", self.splits)
        run("reading again, in another order, gives the same slices", self.rereads)
        run("it survives pickling: reading is parallel", self.pickles)
        run("the fingerprint is stable", self.fingerprint)
        if self.root is not None and _size(self.root) <= COPIED_BYTES:
            run("the fingerprint is of the content, not of dates", self.fingerprint_of_copy)
        if self.kind.modalities:
            run("pairs are valid", self.pairs)

    def make(self, root: Path | None = None) -> Dataset:
        """A new one."""
        return self.kind(root or self.root, self.kind.Config(**self.settings))

    def items(self) -> Iterator[str]:
        self.dataset = self.make()
        names = list(self.dataset.items())
        if not names:
            yield "items() is empty"
        if not all(isinstance(name, str) for name in names):
            yield "items() holds something else than names"
        if len(set(names)) < len(names):
            yield "items() names something twice"
        if names != list(self.dataset.items()) or names != list(self.make().items()):
            yield "items() gives another order or other names at another call"
        places = {round(place) for place in np.linspace(0, len(names) - 1, ITEMS)} if names else set()
        self.names = [names[place] for place in sorted(places)]

    def slices(self) -> Iterator[str]:
        for name in self.names:
            pieces = self.read(self.dataset, name)
            if not pieces:
                yield f"{name} has no slice"
            for piece in pieces:
                yield from _faults_of_slice(piece, self.dataset)

    def splits(self) -> Iterator[str]:
        found: dict[str, set[str]] = {}
        for name in self.names:
            for piece in self.dataset.read(name):
                found.setdefault(piece.patient, set()).add(piece.split)
        for patient, splits in found.items():
            if len(splits) > 1:
                yield f"patient {patient} is in {' and '.join(sorted(splits))}"

    def rereads(self) -> Iterator[str]:
        other = self.make()
        again = {name: self.read(other, name) for name in reversed(self.names)}
        for name in self.names:
            yield from _differences(name, self.read(self.dataset, name), again[name])

    def pickles(self) -> Iterator[str]:
        # After it was used: a file that was opened on the way would travel along.
        copy: Dataset = pickle.loads(pickle.dumps(self.dataset))
        if list(copy.items()) != list(self.dataset.items()):
            yield "its copy has other items"
        if copy.fingerprint() != self.dataset.fingerprint():
            yield "its copy has another fingerprint"
        name = self.names[-1]
        yield from _differences(name, self.read(self.dataset, name), self.read(copy, name))

    def fingerprint(self) -> Iterator[str]:
        first = self.dataset.fingerprint()
        if not isinstance(first, str) or not first or set(first) - set("0123456789abcdef"):
            yield f"{first!r} is no hexadecimal digest"
        if first != self.dataset.fingerprint() or first != self.make().fingerprint():
            yield "it is another one at another call"

    def fingerprint_of_copy(self) -> Iterator[str]:
        assert self.root is not None
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self.root.name
            if self.root.is_dir():
                shutil.copytree(self.root, copy, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(self.root, copy)
            if self.make(copy).fingerprint() != self.dataset.fingerprint():
                yield "a copy of the raw files, with other dates in another folder, has another fingerprint"

    def pairs(self) -> Iterator[str]:
        for region, members in self.kind.regions.items():
            if unknown := sorted(set(members) - set(self.dataset.label_names)):
                yield f"region {region} is of {unknown[0]}, which is no label"
        first, *_, last = self.kind.modalities
        for pair in (Pair(first, last), Pair(last, first)):
            paired = self.make().paired(pair)
            for name in paired.items()[:2]:
                for piece in self.read(paired, name):
                    yield from (f"{pair}: {fault}" for fault in _faults_of_slice(piece, paired))
            if paired.fingerprint() != self.make().paired(pair).fingerprint():
                yield f"{pair}: the fingerprint is another one at another call"

    def read(self, dataset: Dataset, name: str) -> list[Slice]:
        """The first slices of an item."""
        return [piece for piece, _ in zip(dataset.read(name), range(SLICES), strict=False)]


def _faults_of_slice(piece: Slice, dataset: Dataset) -> Iterator[str]:
    check_slice(piece, dataset)
    where = f"{piece.source}, slice {piece.index}"
    for pixels in (piece.pixels, piece.counterpart):
        if pixels is None:
            continue
        if pixels.dtype != np.float32:
            yield f"{where} has pixels of {pixels.dtype} instead of float32"
        if pixels.min() < 0 or pixels.max() > 1:
            yield f"{where} has pixels from {pixels.min():.4g} to {pixels.max():.4g} instead of [0, 1]"
    if piece.split not in SPLITS:
        yield f"{where} is in the split {piece.split!r} instead of {', '.join(SPLITS)}"
    if not piece.patient:
        yield f"{where} has no patient"


def _differences(name: str, first: Sequence[Slice], second: Sequence[Slice]) -> Iterator[str]:
    if len(first) != len(second):
        yield f"{name} has {len(first)} slices, and then {len(second)}"
        return
    for one, other in zip(first, second, strict=True):
        named = [(piece.patient, piece.source, piece.index, piece.split) for piece in (one, other)]
        if named[0] != named[1]:
            yield f"{name} has {named[0]}, and then {named[1]}"
        elif not np.array_equal(one.pixels, other.pixels):
            yield f"slice {one.index} of {name} has other pixels"
        elif (one.labels is None) != (other.labels is None) or (
            one.labels is not None and not np.array_equal(one.labels, np.asarray(other.labels))
        ):
            yield f"slice {one.index} of {name} has other labels"


def _size(root: Path) -> int:
    paths = root.rglob("*") if root.is_dir() else [root]
    return sum(path.stat().st_size for path in paths if path.is_file())
