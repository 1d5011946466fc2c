"""What the cells of a grid are: every request completed by its plugins, and identified by its raw files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .. import plugins
from ..api import Dataset
from ..cell.records import Store
from ..errors import DataError, SpecError
from ..running.resolve import CompletedRequest, complete
from ..scoring.weights import Weights
from .definition import Grid
from .jobs import pack
from .planned import GridOptions, Identified, IdentifiedCell, Plan, Source
from .requests import GridRequest, requests_of
from .standing import choices_digest, stand


def make_plan(grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool) -> Plan:
    """Plan every cell of a grid.

    Raises:
        BenchError: As ``identify``.
    """
    return stand(identify(grid, options, results, cache, check=check), results)


def identify(grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool) -> Identified:
    """Find out what every cell of a grid is.

    Args:
        grid: The experiment.
        options: What the user added.
        results: Results folder.
        cache: Cache folder.
        check: Make sure that the cells can be run: that raw files and the weights of every score are at hand.
            Otherwise cells whose raw files are not here are listed too, without an identity.

    Raises:
        BenchError: An unknown name, an invalid setting; with ``check`` raw files or weights that are missing.
    """
    requests = list(requests_of(grid, options))
    completed = [complete(one.request) for one in requests]
    if check:
        metrics = {name for one in completed for name in one.protocol.metrics}
        _check_weights(metrics, Weights(cache / "weights", given=options.weights))
    sources: dict[str, Source] = {}
    cells = []
    for asked, one in zip(requests, completed, strict=True):
        # Each set's raw files are read once.
        key = repr((one.request.dataset, one.request.data_root, one.dataset_config, one.pair))
        if key not in sources:
            sources[key] = _source(one, check=check)
        cells.append(_cell(asked, one, sources[key].fingerprint, options, results, cache))
    return Identified(cells, list(sources.values()))


def _cell(
    asked: GridRequest,
    completed: CompletedRequest,
    fingerprint: str | None,
    options: GridOptions,
    results: Path,
    cache: Path,
) -> IdentifiedCell:
    spec = completed.identify(fingerprint or "")
    identity = None if fingerprint is None else spec.identity
    return IdentifiedCell(
        **asked.point._asdict(),
        row=asked.row,
        identity=identity,
        # A folder's name ends with the cell's identity, which only the raw files complete.
        name=f"{spec.folder_prefix}{asked.row or ''}" if identity is None else spec.folder_name,
        prefix=spec.folder_prefix,
        choices=choices_digest(spec),
        workload=spec.workload,
        folder=Store(results).folder(spec).path,
        arguments=pack(
            asked.request,
            results,
            cache,
            weights=options.weights,
            skip_bad=options.skip_bad,
            device_memory=options.device_memory,
            expect=identity,
        ),
        epochs=completed.protocol.epochs,
        metrics=completed.protocol.metrics,
    )


def _source(completed: CompletedRequest, *, check: bool) -> Source:
    """The raw files of a request; without a fingerprint where they are not here."""
    fingerprint: str | None
    try:
        dataset: Dataset = completed.open_dataset()
        fingerprint = dataset.fingerprint()
    except (DataError, SpecError):
        if check:
            raise
        fingerprint = None
    request = completed.request
    config = completed.dataset_config.model_dump(mode="json")
    return Source(request.dataset, request.data_root, config, completed.pair, fingerprint)


def _check_weights(metrics: Iterable[str], weights: Weights) -> None:
    """Nobody should learn after days, forty times over, that the weights of a score are missing."""
    registry = plugins.current()
    for space in sorted({registry.make("metrics", name).needs for name in metrics} - {"images"}):
        registry.make("features", space, weights=weights).check()
