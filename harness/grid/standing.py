"""Where the cells of a grid stand, and how long they may take: by their folders alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..cell.logs import read_log
from ..cell.records import Record, RunFolder, Status, Store
from ..cell.spec import RunSpec
from ..errors import SpecError
from ..files import read_json
from .planned import Identified, IdentifiedCell, Plan, PlannedCell, Standing, Workload

DIGITS = 8
"""Of a cell's identity, at the end of its folder's name."""


class Times(NamedTuple):
    """What records tell of how long cells take.

    Attributes:
        epoch: Seconds of an epoch with its scoring, by workload.
        longest: Seconds of the longest evaluation, by workload.
    """

    epoch: Mapping[Workload, float]
    longest: Mapping[Workload, float]


def times_of(records: Iterable[Record]) -> Times:
    """How long cells of each workload took."""
    seen: dict[Workload, list[float]] = {}
    longest: dict[Workload, float] = {}
    for record in records:
        if record.epochs_done:
            workload, timing = record.spec.workload, record.timing
            seen.setdefault(workload, []).append((timing["train"] + timing["score"]) / record.epochs_done)
            longest[workload] = max(longest.get(workload, 0.0), timing.get("longest_evaluation", 0.0))
    return Times({workload: median(values) for workload, values in seen.items()}, longest)


def stand(identified: Identified, results: Path) -> Plan:
    """Look at a results folder for every cell of a grid."""
    look = _Look(Store(results))
    # Rows of an ablation that set what is set already are one cell.
    cells = {cell.name: look.at(cell) for cell in identified.cells}
    return Plan(list(cells.values()))


def choices_digest(spec: RunSpec) -> str:
    """A digest of a cell's choices."""
    return hashlib.sha256(spec.choices.encode()).hexdigest()


def epochs_done(folder: RunFolder) -> int:
    """Epochs that a cell's log tells of."""
    return max((line["epoch"] for line in read_log(folder.log)), default=0)


class _Ended(NamedTuple):
    """What a record says of where its cell stands, with the last line of its error."""

    status: Status
    metrics: tuple[str, ...]
    error: str


class _Look:
    """What there is in a results folder, looked up once: there may be ten thousand cells."""

    def __init__(self, store: Store) -> None:
        self.kept: dict[str, list[RunFolder]] = {}
        self.ended: dict[str, _Ended] = {}
        self.damaged: dict[str, SpecError] = {}
        self.times = times_of(self._records(store))

    def _records(self, store: Store) -> Iterator[Record]:
        """Every record that can be read, of which no more is kept than what its cell's standing needs."""
        for folder in store.folders():
            name = folder.path.name
            self.kept.setdefault(name[:-DIGITS], []).append(folder)
            try:
                record = folder.read_record()
            except SpecError as error:
                self.damaged[name] = error
                continue
            if record is not None:
                metrics = tuple(record.score_versions["metrics"])
                self.ended[name] = _Ended(record.status, metrics, record.last_words)
                yield record

    def at(self, cell: IdentifiedCell) -> PlannedCell:
        """Where a cell stands; not known where its raw files are not at hand."""
        standing: Standing = "unknown"
        message, seconds = "its raw files are not at hand: --data-root", None
        if cell.identity is not None:
            standing, message = self._standing(cell)
            seconds = self._seconds_left(cell, standing)
        return PlannedCell(
            model=cell.model,
            row=cell.row,
            dataset=cell.dataset,
            resolution=cell.resolution,
            seed=cell.seed,
            name=cell.name,
            folder=cell.folder,
            arguments=cell.arguments,
            epochs=cell.epochs,
            metrics=cell.metrics,
            standing=standing,
            message=message,
            seconds=seconds,
            pace=self.times.epoch.get(cell.workload),
            longest=self.times.longest.get(cell.workload),
        )

    def _standing(self, cell: IdentifiedCell) -> tuple[Standing, str]:
        """Where a cell stands, and what there is to say about that."""
        if error := self.damaged.get(cell.name):
            return "damaged", f"{error.found}; {error.hint}"
        if ended := self.ended.get(cell.name):
            if ended.status != "complete":
                return ended.status, ended.error
            missing = [name for name in cell.metrics if name not in ended.metrics]
            return ("unscored", f"without {', '.join(missing)}") if missing else ("done", "")
        if RunFolder(cell.folder).checkpoint.exists():
            return "resumable", f"{epochs_done(RunFolder(cell.folder))} of {cell.epochs} epochs"
        if other := self._other_versions(cell):
            return "stale", f"kept, of other versions: {other}"
        return "new", ""

    def _other_versions(self, cell: IdentifiedCell) -> str:
        """A folder that differs from this cell in versions or raw files alone."""
        for folder in self.kept.get(cell.prefix, ()):
            try:
                if choices_digest(RunSpec.model_validate(read_json(folder.spec))) == cell.choices:
                    return folder.path.name
            except (OSError, ValueError):
                continue  # damaged, or of an older version of the protocol
        return ""

    def _seconds_left(self, cell: IdentifiedCell, standing: Standing) -> float | None:
        if standing in ("done", "diverged"):
            return 0.0
        if standing == "unscored":
            return None  # times are of training
        speed = self.times.epoch.get(cell.workload)
        done = epochs_done(RunFolder(cell.folder)) if standing == "resumable" else 0
        return None if speed is None else speed * (cell.epochs - done)
