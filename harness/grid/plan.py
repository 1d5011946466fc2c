"""Making the plan of a grid: each cell resolved, with where it stands and how long it may take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..cell.records import Record, Store, missing_metrics, read_log
from ..cell.spec import RunRequest, RunSpec
from ..data.prepare import usable_cores
from ..data.roots import root_of
from ..errors import SpecError
from ..plugins import Registry
from ..running.resolve import model_class, preset_settings, resolve
from ..scoring.weights import Weights
from .definition import Grid, Point
from .jobs import pack
from .planned import GridOptions, Plan, PlannedCell, Standing


def make_plan(
    grid: Grid,
    options: GridOptions,
    results: Path,
    cache: Path,
    *,
    check: bool,
    registry: Registry | None = None,
) -> Plan:
    """Resolve every cell of a grid.

    Args:
        grid: The experiment.
        options: What the user added.
        results: Results folder.
        cache: Cache folder.
        check: Also make sure that the weights of every score are at hand.
        registry: The plugins; None for those of this environment.

    Raises:
        BenchError: A name, a setting or raw data that can't be; weights that are missing.
    """
    registry = registry or Registry()
    fingerprints: dict[Any, str] = {}
    requests = list(_requests(grid, options, registry))
    specs = [resolve(request, registry, fingerprints).spec for _, _, request in requests]
    if check:
        metrics = {name for spec in specs for name in spec.protocol.metric_names()}
        _check_weights(metrics, registry, Weights(cache / "weights", given=options.weights))
    store = Store(results)
    speeds = _speeds(store)
    cells: dict[str, PlannedCell] = {}
    for (point, row, request), spec in zip(requests, specs, strict=True):
        status, words = status_of(spec, store)
        cells[spec.folder_name] = PlannedCell(
            **point._asdict(),
            row=row,
            name=spec.folder_name,
            folder=store.folder(spec).path,
            arguments=pack(request, results, cache, weights=options.weights, skip_bad=options.skip_bad),
            epochs=spec.protocol.epochs,
            metrics=tuple(spec.protocol.metric_names()),
            status=status,
            words=words,
            seconds=_seconds_left(spec, store, status, speeds),
        )
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]
    return Plan(list(cells.values()), devices, usable_cores())


def _requests(
    grid: Grid, options: GridOptions, registry: Registry
) -> Iterable[tuple[Point, str, RunRequest]]:
    for point in grid.points():
        model = model_class(registry, point.model)

        def expanded(presets: Iterable[str], point: Point = point, model: Any = model) -> dict[str, Any]:
            return {
                name: value
                for preset in presets
                for name, value in preset_settings(preset, point.model, model).items()
            }

        settings = {
            **expanded(grid.presets),
            **grid.settings_of(point),
            **expanded(options.presets),
            **options.settings,
        }
        rows: Mapping[str, Mapping[str, Any]] = model.ablation if grid.ablation else {"": {}}
        if not rows:
            raise SpecError(
                f"model {point.model} declares no ablation", needed="a model with rows in `ablation`"
            )
        for row, switches in rows.items():
            if clash := sorted(set(settings) & set(switches)):
                raise SpecError(
                    f"{', '.join(clash)} is set for all cells, and by the ablation row {row!r}",
                    needed="settings that no row sets",
                    hint=f"bench show model {point.model}",
                )
            yield (
                point,
                row,
                RunRequest(
                    **point._asdict(),
                    settings={**settings, **switches},
                    data_root=root_of(point.dataset, options.roots),
                    source=grid.source,
                    target=grid.target,
                ),
            )


def _check_weights(metrics: Iterable[str], registry: Registry, weights: Weights) -> None:
    """Nobody should learn after days, forty times over, that the weights of a score are missing."""
    for space in sorted({registry.make("metrics", name).needs for name in metrics} - {"images"}):
        registry.make("features", space, weights=weights).check()


def status_of(spec: RunSpec, store: Store) -> tuple[Standing, str]:
    """Where a cell stands, from its files."""
    folder = store.folder(spec)
    try:
        record = folder.read_record()
    except SpecError as error:
        return "damaged", f"{error.found}; {error.hint}"
    if record is not None:
        if record.status == "complete":
            missing = missing_metrics(record.score_versions, spec.protocol.metric_names())
            return ("unscored", f"without {', '.join(missing)}") if missing else ("done", "")
        last = (record.error or "").strip().splitlines()[-1:]
        return ("failed" if record.status == "failed" else "diverged"), "".join(last)
    if folder.checkpoint.exists():
        return "resumable", f"{_epochs_done(store, spec)} of {spec.protocol.epochs} epochs"
    if other := _other_versions(spec, store):
        return "stale", f"kept, of other versions: {other}"
    return "new", ""


def _epochs_done(store: Store, spec: RunSpec) -> int:
    return max((line["epoch"] for line in read_log(store.folder(spec).log)), default=0)


def _other_versions(spec: RunSpec, store: Store) -> str:
    """A folder that differs from this cell in versions or raw files alone."""

    def settings(content: Mapping[str, Any]) -> Any:
        return [
            content["model"]["config"],
            content["dataset"]["config"],
            {**content["protocol"], "metrics": content["protocol"]["metrics"].split(",")[0]},
        ]

    own = spec.model_dump(mode="json")
    pattern = f"{spec.folder_name.removesuffix(spec.identity[:8])}*/spec.json"
    for path in sorted(store.runs.glob(pattern)):
        try:
            if settings(json.loads(path.read_bytes())) == settings(own):
                return path.parent.name
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
    return ""


_Kind = tuple[str, str, int, int, int]


def _kind(spec: RunSpec) -> _Kind:
    """Cells of one kind take equally long for an epoch."""
    protocol = spec.protocol
    return (spec.model.name, spec.dataset.label, spec.resolution, protocol.batch_size, protocol.limit)


def _speeds(store: Store) -> dict[_Kind, float]:
    """Seconds an epoch, scoring included, of every kind of cell that was run before."""
    seen: dict[_Kind, list[float]] = {}
    for folder in store.folders():
        try:
            record = folder.read_record()
        except SpecError:
            continue
        if record is not None and record.epochs_done:
            seen.setdefault(_kind(record.spec), []).append(_seconds(record) / record.epochs_done)
    return {kind: median(values) for kind, values in seen.items()}


def _seconds(record: Record) -> float:
    return record.timing["train"] + record.timing["score"]


def _seconds_left(
    spec: RunSpec, store: Store, status: Standing, speeds: Mapping[_Kind, float]
) -> float | None:
    if status in ("done", "diverged"):
        return 0.0
    if status == "unscored":
        return None  # speeds are of training
    speed = speeds.get(_kind(spec))
    done = _epochs_done(store, spec) if status == "resumable" else 0
    return None if speed is None else speed * (spec.protocol.epochs - done)
