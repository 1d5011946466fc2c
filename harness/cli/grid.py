"""``bench grid`` and ``bench ablate``: many cells."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SpecError
from .executing import Means
from .options import (
    RESULTS,
    AsJson,
    Assignments,
    CacheOption,
    DeviceMemory,
    Resolution,
    Results,
    Roots,
    SkipBad,
    Source,
    Target,
    WeightsOption,
    cache_folder,
    device_memory_of,
    names_of,
    roots_of,
    settings_of,
)

if TYPE_CHECKING:
    from ..grid.planned import GridOptions

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
ExecutorSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set-executor",
        metavar="NAME=VALUE",
        help="Value of a setting of the executor: bench show executor NAME. Repeatable.",
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach", help="Leave once the cells are queued; the same command without it watches them."
    ),
]
Cancel = Annotated[
    bool, typer.Option("--cancel", help="End the grid's cells that are queued or run, and start none.")
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Follow the grid's cells, wherever they run, and start none.")
]
DeviceKind = Annotated[
    str, typer.Option("--device", help="Devices to use: auto for all GPUs, cpu, or cuda:N.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells and where they stand, and stop.")]


def grid(
    name: Annotated[
        str,
        typer.Argument(
            help="A shipped grid (table2, table3, both also with -parity; modern, modern-256, table4, "
            "paired), or a TOML file."
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
    set_executor: ExecutorSettings = None,
    device: DeviceKind = "auto",
    device_memory: DeviceMemory = None,
    detach: Detach = False,
    cancel: Cancel = False,
    dry_run: DryRun = False,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Run every cell of a grid that is not done, each in its own process.

    The same command again goes on where it was stopped, and finds cells that are queued already. Several may
    work on one results folder, from any machine that sees it: they share the cells. Ctrl-C saves every cell's
    state first; where the executor has a queue of its own, it asks whether to leave the cells there.
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
    options = _options(preset, assignments, data_root, weights, skip_bad, device_memory)
    given = settings_of(set_executor, "--set-executor")
    means = Means(executor, given, jobs, per_device, device, detach, cancel, dry_run, watch, as_json)
    means.execute(chosen, options, results, cache_folder(cache))


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
    set_executor: ExecutorSettings = None,
    device: DeviceKind = "auto",
    device_memory: DeviceMemory = None,
    detach: Detach = False,
    cancel: Cancel = False,
    dry_run: DryRun = False,
    watch: Watch = False,
    as_json: AsJson = False,
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
    options = _options(preset, assignments, data_root, weights, skip_bad, device_memory)
    given = settings_of(set_executor, "--set-executor")
    means = Means(executor, given, jobs, per_device, device, detach, cancel, dry_run, watch, as_json)
    means.execute(chosen, options, results, cache_folder(cache))


def _options(
    preset: list[str] | None,
    assignments: list[str] | None,
    data_root: list[Path] | None,
    weights: list[Path] | None,
    skip_bad: bool,
    device_memory: str | None,
) -> GridOptions:
    from ..grid.planned import GridOptions

    return GridOptions(
        tuple(preset or ()),
        settings_of(assignments),
        roots_of(data_root),
        tuple(weights or ()),
        skip_bad,
        device_memory_of(device_memory),
    )


def _numbers(text: str | None) -> tuple[int, ...] | None:
    names = names_of(text)
    try:
        return None if names is None else tuple(int(name) for name in names)
    except ValueError as error:
        raise SpecError(
            f"{reprlib.repr(text)} is not a list of numbers", needed="whole numbers: 0,1,2"
        ) from error
