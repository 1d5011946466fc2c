"""The cells that a results folder tells of: those that were begun, and those that were handed to a queue."""

from __future__ import annotations

from pathlib import Path

from ..cell.records import Record, Store
from ..cell.spec import RunSpec, label_of, pair_of
from ..errors import SpecError
from .cells import CELLS, read_cells
from .jobs import unpack
from .planned import PlannedCell
from .standing import times_of


def found_cells(results: Path) -> tuple[list[PlannedCell], list[str]]:
    """Every cell of a results folder, without plugins; and what could not be read, one sentence each."""
    specs: dict[Path, RunSpec] = {}
    troubles = []
    records: list[Record] = []
    for folder in Store(results).folders():
        try:
            record = folder.read_record()
        except SpecError:
            record = None  # its spec may be whole, and whoever looks at the cell tells of the record
        try:
            specs[folder.path] = folder.read_spec() if record is None else record.spec
        except SpecError as error:
            troubles.append(error.found)
        if record is not None:
            records.append(record)
    times = times_of(records)
    cells = [_begun(path, spec, times.epoch.get(spec.workload)) for path, spec in specs.items()]
    known = {cell.name for cell in cells}
    for path in sorted((results / "jobs").glob(f"*/{CELLS}")):
        try:
            stored = read_cells(path)
            cells += [_queued(results, one.name, one.arguments) for one in stored if one.name not in known]
            known |= {one.name for one in stored}
        except SpecError as error:
            troubles.append(error.found)
    return cells, troubles


def _begun(path: Path, spec: RunSpec, pace: float | None) -> PlannedCell:
    return PlannedCell(
        model=spec.model.name,
        row=None,
        dataset=spec.dataset.label,
        resolution=spec.resolution,
        seed=spec.seed,
        name=path.name,
        folder=path,
        arguments=(),
        epochs=spec.protocol.epochs,
        metrics=spec.protocol.metrics,
        standing="unknown",
        message="",
        seconds=None if pace is None else pace * spec.protocol.epochs,
        pace=pace,
    )


def _queued(results: Path, name: str, arguments: tuple[str, ...]) -> PlannedCell:
    """A cell that was not begun: how long it is, its model's defaults would tell.

    Raises:
        SpecError: It is no cell of a grid.
    """
    request = unpack(arguments[1]).request
    return PlannedCell(
        model=request.model,
        row=None,
        dataset=label_of(request.dataset, pair_of(request.source, request.target)),
        resolution=request.resolution,
        seed=request.seed,
        name=name,
        folder=Store(results).runs / name,
        arguments=arguments,
        epochs=None,
        metrics=(),
        standing="unknown",
        message="",
        seconds=None,
    )
