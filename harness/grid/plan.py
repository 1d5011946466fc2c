"""Making the plan of a grid: each cell identified, with where it stands and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from .. import plugins
from ..api import Dataset
from ..cell.logs import read_log
from ..cell.records import Record, RunFolder, Store, missing_metrics
from ..cell.spec import RunSpec
from ..data.prepare import usable_cores
from ..errors import DataError, SpecError
from ..files import read_json
from ..running.resolve import CompletedRequest, complete
from ..scoring.weights import Weights
from .definition import Grid
from .jobs import pack
from .planned import GridOptions, Plan, PlannedCell, Standing
from .requests import GridRequest, requests_of

DIGITS = 8
"""Of a cell's identity, at the end of its folder's name."""


def make_plan(grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool) -> Plan:
    """Plan every cell of a grid.

    Args:
        grid: The experiment.
        options: What the user added.
        results: Results folder.
        cache: Cache folder.
        check: Make sure that the cells can be run: that raw files and the weights of every score are at hand.
            Otherwise cells whose raw files are not here are listed too, as of unknown standing.

    Raises:
        BenchError: An unknown name, an invalid setting; with ``check`` raw files or weights that are missing.
    """
    requests = list(requests_of(grid, options))
    completed = [complete(one.request) for one in requests]
    if check:
        metrics = {name for one in completed for name in one.protocol.metrics}
        _check_weights(metrics, Weights(cache / "weights", given=options.weights))
    fingerprints = _fingerprints(completed, check=check)
    planner = _Planner(Store(results), cache, options)
    cells: dict[str, PlannedCell] = {}
    for asked, one, fingerprint in zip(requests, completed, fingerprints, strict=True):
        cell = planner.plan(asked, one, fingerprint)
        cells[cell.name] = cell
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]
    return Plan(list(cells.values()), devices, usable_cores())


def _fingerprints(completed: Sequence[CompletedRequest], *, check: bool) -> list[str | None]:
    """The fingerprint of each request's raw files, each set read once; None for those that are not here."""
    known: dict[Any, str | None] = {}
    keys = [
        (one.request.dataset, one.request.data_root, one.dataset_config.model_dump_json(), one.pair)
        for one in completed
    ]
    for key, one in zip(keys, completed, strict=True):
        if key in known:
            continue
        try:
            dataset: Dataset = one.open_dataset()
            known[key] = dataset.fingerprint()
        except (DataError, SpecError):
            if check:
                raise
            known[key] = None
    return [known[key] for key in keys]


def _check_weights(metrics: Iterable[str], weights: Weights) -> None:
    """Nobody should learn after days, forty times over, that the weights of a score are missing."""
    registry = plugins.current()
    for space in sorted({registry.make("metrics", name).needs for name in metrics} - {"images"}):
        registry.make("features", space, weights=weights).check()


class _Planner:
    """Looks at a results folder, and says of each cell where it stands."""

    def __init__(self, store: Store, cache: Path, options: GridOptions) -> None:
        self.store, self.cache, self.options = store, cache, options
        self.speeds, self.longest = _times(store)
        self.kept = _kept(store)

    def plan(self, asked: GridRequest, completed: CompletedRequest, fingerprint: str | None) -> PlannedCell:
        """One cell; of unknown standing where its raw files have no fingerprint."""
        spec = completed.identify(fingerprint or "")
        arguments = pack(
            asked.request,
            self.store.root,
            self.cache,
            weights=self.options.weights,
            skip_bad=self.options.skip_bad,
            expect=None if fingerprint is None else spec.identity,
        )
        known = PlannedCell(
            **asked.point._asdict(),
            row=asked.row,
            name=spec.folder_name,
            folder=self.store.folder(spec).path,
            arguments=arguments,
            epochs=completed.protocol.epochs,
            metrics=completed.protocol.metrics,
            standing="unknown",
            message="its raw files are not at hand: --data-root",
            seconds=None,
            longest=self.longest.get(spec.workload),
        )
        if fingerprint is None:
            # Its folder's name ends with its identity, which only the raw files complete.
            return replace(known, name=f"{spec.folder_prefix}{asked.row or ''}")
        standing, message = _standing_of(spec, self.store, self.kept)
        seconds = self._seconds_left(spec, standing)
        return replace(known, standing=standing, message=message, seconds=seconds)

    def _seconds_left(self, spec: RunSpec, standing: Standing) -> float | None:
        if standing in ("done", "diverged"):
            return 0.0
        if standing == "unscored":
            return None  # speeds are of training
        speed = self.speeds.get(spec.workload)
        done = _epochs_done(self.store, spec) if standing == "resumable" else 0
        return None if speed is None else speed * (spec.protocol.epochs - done)


def _standing_of(spec: RunSpec, store: Store, kept: Mapping[str, Sequence[Path]]) -> tuple[Standing, str]:
    """Where a cell stands, from its files, and what there is to say about that."""
    folder = store.folder(spec)
    try:
        record = folder.read_record()
    except SpecError as error:
        return "damaged", f"{error.found}; {error.hint}"
    if record is not None:
        if record.status == "complete":
            missing = missing_metrics(record.score_versions, spec.protocol.metrics)
            return ("unscored", f"without {', '.join(missing)}") if missing else ("done", "")
        last = (record.error or "").strip().splitlines()[-1:]
        return ("failed" if record.status == "failed" else "diverged"), "".join(last)
    if folder.checkpoint.exists():
        return "resumable", f"{_epochs_done(store, spec)} of {spec.protocol.epochs} epochs"
    if other := _other_versions(spec, kept):
        return "stale", f"kept, of other versions: {other}"
    return "new", ""


def _epochs_done(store: Store, spec: RunSpec) -> int:
    return max((line["epoch"] for line in read_log(store.folder(spec).log)), default=0)


def _kept(store: Store) -> Mapping[str, Sequence[Path]]:
    """All run folders by what their names begin with: looked up once, for there may be ten thousand cells."""
    kept: dict[str, list[Path]] = {}
    for folder in store.folders():
        kept.setdefault(folder.path.name[:-DIGITS], []).append(folder.path)
    return kept


def _other_versions(spec: RunSpec, kept: Mapping[str, Sequence[Path]]) -> str:
    """A folder that differs from this cell in versions or raw files alone."""
    for path in kept.get(spec.folder_prefix, ()):
        try:
            other = RunSpec.model_validate(read_json(RunFolder(path).spec))
            if other.choices == spec.choices:
                return path.name
        except (OSError, ValueError):
            continue  # damaged, or of an older version of the protocol
    return ""


def _times(store: Store) -> tuple[Mapping[Any, float], Mapping[Any, float]]:
    """Of every workload that was run before: seconds an epoch with scoring, and of the longest evaluation."""
    seen: dict[Any, list[float]] = {}
    longest: dict[Any, float] = {}
    for folder in store.folders():
        try:
            record = folder.read_record()
        except SpecError:
            continue
        if record is not None and record.epochs_done:
            workload = record.spec.workload
            seen.setdefault(workload, []).append(_seconds(record) / record.epochs_done)
            longest[workload] = max(longest.get(workload, 0.0), record.timing.get("longest_evaluation", 0.0))
    return {kind: median(values) for kind, values in seen.items()}, longest


def _seconds(record: Record) -> float:
    return record.timing["train"] + record.timing["score"]
