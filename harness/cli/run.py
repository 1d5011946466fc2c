"""``bench run``: one cell."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from ..errors import Interrupted
from ..limits import SEEDS
from .options import (
    RESULTS,
    Assignments,
    CacheOption,
    DatasetName,
    Device,
    DeviceMemory,
    ModelName,
    Offline,
    Resolution,
    Results,
    Roots,
    SkipBad,
    Source,
    Target,
    TensorBoardOption,
    TrackOption,
    WeightsOption,
    Workers,
    cache_folder,
    data_root_of,
    device_memory_of,
    given_settings,
    presets_to_type,
    registry,
    tell,
    tracking,
    weights_of,
)
from .stopping import StopSignal


def run(
    model: ModelName,
    dataset: DatasetName,
    res: Resolution = 64,
    source: Source = None,
    target: Target = None,
    seed: Annotated[
        int, typer.Option(min=0, max=SEEDS - 1, help="Random seed for weights, batch order and augmentation.")
    ] = 0,
    epochs: Annotated[int | None, typer.Option(help="Training length; --set epochs=N says the same.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Scores, comma separated; the first selects the best.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Train on a subset of so many images, spread over patients.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Keep the test patients apart, and score against them too.")
    ] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Make label maps beside the images; keeps test patients apart.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="Arithmetic: fp32, tf32, bf16; auto: tf32 on CUDA, else fp32.")
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="Preset: quick, smoke, or one of the model's. Repeatable.", autocompletion=presets_to_type
        ),
    ] = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    offline: Offline = False,
    device: Device = "auto",
    device_memory: DeviceMemory = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the networks: a slow start, faster steps.")
    ] = False,
    workers: Workers = None,
    skip_bad: SkipBad = False,
    tensorboard: TensorBoardOption = False,
    track: TrackOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved cell, and stop.")] = False,
) -> None:
    """Train a model on a data set, score what it makes, and keep a record.

    The same command again does nothing when the cell is done, and goes on where it was stopped when not.
    What --set can set: bench show protocol, bench show model NAME, bench show dataset NAME.
    """
    from ..cell.records import Store
    from ..cell.spec import RunRequest
    from ..running.resolve import resolve

    memory = device_memory_of(device_memory)
    plugins = registry()
    settings = given_settings(
        assignments,
        epochs=epochs,
        metrics=metrics,
        limit=limit,
        precision=precision,
        held_out=held_out or None,
        labels=labels or None,
    )
    request = RunRequest(
        model=model,
        dataset=dataset,
        resolution=res,
        seed=seed,
        settings=settings,
        presets=tuple(preset or ()),
        data_root=data_root_of(dataset, data_root),
        source=source,
        target=target,
    )
    store = Store(results)
    if dry_run:
        spec = resolve(request).spec
        print(json.dumps(spec.model_dump(mode="json"), indent=2))
        print(f"identity {spec.identity}\nfolder   {store.folder(spec).path}")
        return

    from ..running.cell import run_cell
    from ..running.place import Settings
    from .exits import stopped_by
    from .outcome import report
    from .progress import Terminal

    cache_path = cache_folder(cache)
    with (
        StopSignal() as stop,
        Terminal(plugins.manager, stop) as terminal,
        tracking(tensorboard, track),
    ):
        place = Settings(
            results=store,
            cache=cache_path,
            device=device,
            device_memory=memory,
            workers=workers,
            skip_bad=skip_bad,
            compile=compile,
            weights=weights_of(weights, cache_path, offline),
            stop=stop,
            preparing=terminal.preparing,
            tell=tell,
        )
        try:
            outcome = run_cell(request, place)
        except Interrupted as interrupted:
            terminal.close()
            taken = interrupted.steps
            when = "before the first step" if taken is None else f"after {taken} steps"
            print(f"stopped {when}; the state is saved: the same command goes on", file=sys.stderr)
            sys.exit(stopped_by(stop.number))
    if not outcome.is_new:
        print("this cell is done already; another --seed or setting makes another cell")
    report(outcome.folder, outcome.record, results, tuple(preset or ()))
