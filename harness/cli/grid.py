"""``bench grid`` and ``bench ablate``: many cells."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from .options import (
    RESULTS,
    Assignments,
    CacheOption,
    Resolution,
    Results,
    Roots,
    SkipBad,
    Source,
    Target,
    WeightsOption,
    cache_folder,
    names_of,
    registry,
    roots_of,
    settings_of,
)
from .stopping import StopSignal

if TYPE_CHECKING:
    from ..grid.definition import Grid
    from ..grid.planned import Plan

Models = Annotated[str | None, typer.Option("--models", help="Only these, or others: comma separated.")]
Datasets = Annotated[str | None, typer.Option("--datasets", help="Only these, or others: comma separated.")]
Resolutions = Annotated[str | None, typer.Option("--res", help="Only these, or others: comma separated.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Only these, or others: 0,1,2.")]
Presets = Annotated[list[str] | None, typer.Option("--preset", help="For all cells. Repeatable.")]
Jobs = Annotated[
    str, typer.Option(help="Cells at a time: a number, or auto for one a GPU or one for 2 cores.")
]
PerDevice = Annotated[int, typer.Option(min=1, help="Cells that share a GPU.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="How cells are run: bench list executors.")]
DeviceKind = Annotated[str, typer.Option("--device", help="auto for all GPUs, cpu, or cuda:N.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells, where they stand, and stop.")]


def grid(
    name: Annotated[str, typer.Argument(help="table2, table3, table4, paired, or a TOML file.")],
    models: Models = None,
    datasets: Datasets = None,
    res: Resolutions = None,
    seeds: Seeds = None,
    source: Source = None,
    target: Target = None,
    preset: Presets = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    skip_bad: SkipBad = False,
    jobs: Jobs = "auto",
    per_device: PerDevice = 1,
    executor: ExecutorName = "local",
    device: DeviceKind = "auto",
    dry_run: DryRun = False,
) -> None:
    """Run every cell of a grid that is not done, each in its own process.

    The same command again goes on where it was stopped. Several may work on one results folder: they share
    the cells. Ctrl-C saves every cell's state first.
    """
    from ..grid.definition import load_grid
    from ..grid.helper import plan_in_helper
    from ..grid.planned import GridOptions

    chosen = load_grid(name).narrowed(
        models=names_of(models),
        datasets=names_of(datasets),
        resolutions=_numbers(res),
        seeds=_numbers(seeds),
        source=source,
        target=target,
    )
    plugins = registry()
    executor_class = plugins.load("executors", executor)
    options = GridOptions(
        tuple(preset or ()), settings_of(assignments), roots_of(data_root), tuple(weights or ()), skip_bad
    )
    stop = StopSignal("stopping: every cell saves its state; once more to stop at once", raises=False)
    plan = plan_in_helper(chosen, options, results, cache_folder(cache), check=not dry_run)
    runner = executor_class(_resources(plan, device, jobs, per_device, results))
    if dry_run:
        _list(plan, runner.slots)
        return
    sys.exit(_run(chosen, plan, runner, stop))


def ablate(
    dataset: Annotated[str, typer.Option(help="What to train on: bench list datasets.")],
    res: Resolution = 64,
    model: Annotated[str | None, typer.Option(help="A model that declares its ablation.")] = None,
    seeds: Seeds = None,
    source: Source = None,
    target: Target = None,
    preset: Presets = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    skip_bad: SkipBad = False,
    jobs: Jobs = "auto",
    per_device: PerDevice = 1,
    executor: ExecutorName = "local",
    device: DeviceKind = "auto",
    dry_run: DryRun = False,
) -> None:
    """Run the rows of a model's ablation: `bench grid table4` with any data set, side and model."""
    grid(
        "table4",
        models=model,
        datasets=dataset,
        res=str(res),
        seeds=seeds,
        source=source,
        target=target,
        preset=preset,
        assignments=assignments,
        data_root=data_root,
        results=results,
        cache=cache,
        weights=weights,
        skip_bad=skip_bad,
        jobs=jobs,
        per_device=per_device,
        executor=executor,
        device=device,
        dry_run=dry_run,
    )


def _resources(plan: Plan, device: str, jobs: str, per_device: int, results: Path) -> Any:
    from ..api.executor import Resources

    if jobs != "auto" and not jobs.isdigit():
        raise SpecError(f"--jobs {jobs!r} is no number of cells", needed="a number, or auto")
    return Resources(
        devices=plan.devices if device == "auto" else [device],
        cores=plan.cores,
        jobs=None if jobs == "auto" else int(jobs),
        per_device=per_device,
        logs=results / "logs",
    )


def _run(chosen: Grid, plan: Plan, executor: Any, stop: StopSignal) -> int:
    """Run the cells; returns the exit code."""
    from ..grid.schedule import Watched, work
    from .watching import Display

    cells = [Watched(cell) for cell in plan.cells]
    with Display(cells, executor.slots) as display:
        work(cells, executor, stop=lambda: stop.count, changed=display.changed, tick=display.tick)
    missing = [watched for watched in cells if watched.state not in ("done", "diverged")]
    diverged = [watched for watched in cells if watched.state == "diverged"]
    print(f"{chosen.name}: {len(cells) - len(missing)} of {len(cells)} cells are done")
    for watched in diverged:
        print(f"diverged: {watched.cell.label}: kept as a result")
    for watched in missing:
        log = executor.resources.log_of(watched.cell.name)
        message = f" ({watched.message}; {log})" if watched.message else ""
        print(f"missing: {watched.cell.label}: {watched.state}{message}")
    if missing:
        print(f"to finish: {shlex.join(['bench', *sys.argv[1:]])}")
    return 128 + stop.number if stop.count else int(bool(missing))


def _list(plan: Plan, slots: int) -> None:
    from ..grid.schedule import Watched
    from .catalogue import print_columns
    from .watching import time_left

    print_columns(
        [
            ("cell", "standing", "folder", ""),
            *((c.label, c.standing, c.name, c.message) for c in plan.cells),
        ]
    )
    done = sum(cell.standing in ("done", "diverged") for cell in plan.cells)
    cells = [Watched(cell) for cell in plan.cells if cell.standing not in ("done", "diverged")]
    unknown = "; no estimate: nothing like these was timed here" if cells else ""
    left = time_left(cells, slots)
    print(f"{len(plan.cells)} cells, {done} done; {slots} at a time", end="")
    print(f"; about {left} left" if left else unknown)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    names = names_of(text)
    try:
        return None if names is None else tuple(int(name) for name in names)
    except ValueError as error:
        raise SpecError(f"{text!r} is no list of numbers", needed="whole numbers: 0,1,2") from error
