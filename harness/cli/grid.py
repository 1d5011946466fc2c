"""``bench grid`` and ``bench ablate``: many cells."""

from __future__ import annotations

import reprlib
import shlex
import sys
from dataclasses import dataclass
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
    from ..api.executor import Resources
    from ..grid.definition import Grid
    from ..grid.planned import GridOptions, Plan

Models = Annotated[
    str | None, typer.Option("--models", help="Models to run instead of the grid's, comma separated.")
]
Datasets = Annotated[
    str | None, typer.Option("--datasets", help="Data sets to run on instead of the grid's, comma separated.")
]
Resolutions = Annotated[
    str | None, typer.Option("--res", help="Sides of the images instead of the grid's: 64,256.")
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Random seeds instead of the grid's: 0,1,2.")]
Presets = Annotated[list[str] | None, typer.Option("--preset", help="Preset for all cells. Repeatable.")]
Jobs = Annotated[
    str, typer.Option(help="Number of cells at a time; auto: one for each GPU, or one for every 2 cores.")
]
PerDevice = Annotated[int, typer.Option(min=1, help="Number of cells that share a GPU.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="What runs the cells: bench list executors.")]
DeviceKind = Annotated[
    str, typer.Option("--device", help="Devices to use: auto for all GPUs, cpu, or cuda:N.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells and where they stand, and stop.")]


def grid(
    name: Annotated[
        str,
        typer.Argument(
            help="A shipped grid (table2, table3, both also with -parity; table4, paired), or a TOML file."
        ),
    ],
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

    chosen = load_grid(name).narrowed(
        models=names_of(models),
        datasets=names_of(datasets),
        resolutions=_numbers(res),
        seeds=_numbers(seeds),
        source=source,
        target=target,
    )
    options = _options(preset, assignments, data_root, weights, skip_bad)
    folders = results, cache_folder(cache)
    _Call(chosen, options, *folders, jobs, per_device, executor, device).execute(dry_run=dry_run)


def ablate(
    dataset: Annotated[str, typer.Option(help="Data set to train on: bench list datasets.")],
    res: Resolution = 64,
    model: Annotated[str | None, typer.Option(help="Model that declares an ablation.")] = None,
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
    from ..grid.definition import load_grid

    chosen = load_grid("table4").narrowed(
        models=names_of(model),
        datasets=(dataset,),
        resolutions=(res,),
        seeds=_numbers(seeds),
        source=source,
        target=target,
    )
    options = _options(preset, assignments, data_root, weights, skip_bad)
    folders = results, cache_folder(cache)
    _Call(chosen, options, *folders, jobs, per_device, executor, device).execute(dry_run=dry_run)


def _options(
    preset: list[str] | None,
    assignments: list[str] | None,
    data_root: list[Path] | None,
    weights: list[Path] | None,
    skip_bad: bool,
) -> GridOptions:
    from ..grid.planned import GridOptions

    return GridOptions(
        tuple(preset or ()), settings_of(assignments), roots_of(data_root), tuple(weights or ()), skip_bad
    )


@dataclass(frozen=True)
class _Call:
    """One call of either command."""

    grid: Grid
    options: GridOptions
    results: Path
    cache: Path
    jobs: str
    per_device: int
    executor: str
    device: str

    def execute(self, *, dry_run: bool) -> None:
        """Run the cells, or list them."""
        from ..grid.helper import plan_in_helper

        executor_class = registry().load("executors", self.executor)
        stop = StopSignal("stopping: every cell saves its state; once more to stop at once", raises=False)
        plan = plan_in_helper(self.grid, self.options, self.results, self.cache, check=not dry_run)
        executor = executor_class(self._resources(plan))
        if dry_run:
            _list(plan, executor.slots)
        else:
            sys.exit(_run(self.grid, plan, executor, stop))

    def _resources(self, plan: Plan) -> Resources:
        from ..api.executor import Resources

        if self.jobs != "auto" and not self.jobs.isdecimal():
            raise SpecError(
                f"--jobs {reprlib.repr(self.jobs)} is not a number of cells", needed="a whole number, or auto"
            )
        jobs = None if self.jobs == "auto" else _numbers(self.jobs)
        return Resources(
            devices=plan.devices if self.device == "auto" else [self.device],
            cores=plan.cores,
            jobs=None if jobs is None else jobs[0],
            per_device=self.per_device,
            logs=self.results / "logs",
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
        raise SpecError(
            f"{reprlib.repr(text)} is not a list of numbers", needed="whole numbers: 0,1,2"
        ) from error
