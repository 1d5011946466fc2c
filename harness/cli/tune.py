"""``bench tune``: settings of a model, searched for by as many trials as every other model gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import Interrupted
from ..files import typed
from ..limits import SEEDS
from .catalogue import print_columns
from .options import (
    RESULTS,
    Assignments,
    CacheOption,
    DatasetName,
    Device,
    DeviceMemory,
    Offline,
    Resolution,
    Results,
    Roots,
    SkipBad,
    Source,
    Target,
    WeightsOption,
    Workers,
    cache_folder,
    completing,
    data_root_of,
    device_memory_of,
    given_settings,
    registry,
    tell,
    weights_of,
)
from .stopping import StopSignal

if TYPE_CHECKING:
    from ..cell.records import Record
    from ..cell.spec import RunRequest
    from ..running.place import Settings
    from ..tuning.experiment import Experiment
    from ..tuning.search import Trial


def tune(
    model: Annotated[
        str, typer.Argument(help="Model to tune: bench list models.", autocompletion=completing("models"))
    ],
    dataset: DatasetName,
    res: Resolution = 64,
    trials: Annotated[int, typer.Option(min=1, help="Number of trials, one training each.")] = 20,
    epochs: Annotated[int | None, typer.Option(help="Length of each training.")] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Scores, comma separated; the first one judges the trials.")
    ] = None,
    source: Source = None,
    target: Target = None,
    seed: Annotated[
        int, typer.Option(min=0, max=SEEDS - 1, help="Random seed of the search and of every training.")
    ] = 0,
    preset: Annotated[list[str] | None, typer.Option(help="Preset for all trainings. Repeatable.")] = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    offline: Offline = False,
    device: Device = "auto",
    device_memory: DeviceMemory = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be tried, and stop.")] = False,
) -> None:
    """Search for a model's settings, and write the best as a grid: bench grid FILE trains with them.

    Validation patients choose, test patients are kept apart. The same command goes on where it was stopped,
    and finds the trials that are done; what --set fixes is not tried. Needs the extra tune: Optuna.
    """
    from ..cell.records import Store
    from ..cell.spec import RunRequest
    from ..running.place import Settings
    from ..tuning.experiment import Experiment

    memory = device_memory_of(device_memory)
    registry()
    experiment = Experiment(
        RunRequest(
            model=model,
            dataset=dataset,
            resolution=res,
            seed=seed,
            settings=given_settings(assignments, epochs=epochs, metrics=metrics, held_out=True),
            presets=tuple(preset or ()),
            data_root=data_root_of(dataset, data_root),
            source=source,
            target=target,
        )
    )
    if dry_run:
        print_columns([(name, *_range(tune)) for name, tune in experiment.space.items()])
        return
    folder = cache_folder(cache)
    with StopSignal() as stop:
        settings = Settings(
            results=Store(results),
            cache=folder,
            device=device,
            device_memory=memory,
            workers=workers,
            skip_bad=skip_bad,
            weights=weights_of(weights, folder, offline),
            stop=stop,
            tell=tell,
        )
        try:
            _Tuning(experiment, settings, results).run(trials)
        except Interrupted:
            from .exits import stopped_by

            print("stopped; the state is saved: the same command goes on", file=sys.stderr)
            sys.exit(stopped_by(stop.number))


class _Tuning:
    """One search, as a person sees it."""

    def __init__(self, experiment: Experiment, settings: Settings, results: Path) -> None:
        self.experiment, self.settings, self.results = experiment, settings, results
        self.score, self.goal = experiment.judged_by(settings)

    def run(self, trials: int) -> None:
        """Train what the search is compared with, then every trial; write the best, and print a table."""
        from ..tuning.search import best_of, is_better, sampler_package, search, value_of

        sampler_package()
        experiment = self.experiment
        chooser = experiment.chooser(self.settings)
        print(f"{self.score} of {chooser} chooses, {self.goal} is better", file=sys.stderr)
        shown = [("default", "", self._run(experiment.request))]
        if experiment.reference is not None:
            shown.append(("reference", "the preset", self._run(experiment.reference)))
        done: list[Trial] = []
        for trial in search(
            experiment.space,
            lambda settings: self._run(experiment.trial(settings)),
            self.score,
            self.goal,
            trials=trials,
            seed=experiment.request.seed,
        ):
            done.append(trial)
            words = trial.record.status if trial.value is None else f"{trial.value:.6g}"
            print(f"trial {trial.number + 1} of {trials}: {words}  {_words(trial.settings)}", file=sys.stderr)
        best = best_of(done, self.goal)
        if best is not None:
            shown.append(("tuned", _words(best.settings), best.record))
        self._print(shown, chooser)
        if best is None:
            from .exits import UNFINISHED

            print("no trial completed", file=sys.stderr)
            sys.exit(UNFINISHED)
        as_it_is = value_of(shown[0][-1], self.score)
        if as_it_is is not None and best.value is not None and not is_better(best.value, as_it_is, self.goal):
            print("no trial is better than the default, by whoever chooses")
        path = experiment.write(self.results / "tuned", best, trials)
        print(f"wrote {path}; next: {typed('bench', 'grid', path, '--seeds', '0,1,2,3,4,5')}")

    def _print(self, shown: list[tuple[str, str, Record]], chooser: str) -> None:
        """The score that chose, the same of fresh samples, and all distances to the test patients."""
        from ..tuning.search import value_of

        apart = dict.fromkeys(
            name for *_, record in shown for name in record.scores["best"] if name.endswith("_held_out")
        )
        columns = [self.score, *apart]
        rows = [
            (
                name,
                record.status
                if value_of(record, self.score) is None
                else _number(value_of(record, self.score)),
                *(_number(record.scores["best"].get(column)) for column in columns),
                words,
            )
            for name, words, record in shown
        ]
        print_columns([("", f"{self.score}, {chooser}", *columns, "settings"), *rows])

    def _run(self, request: RunRequest) -> Record:
        from dataclasses import replace

        from ..running.cell import run_cell
        from .progress import Terminal

        with Terminal(registry().manager, self.settings.stop) as terminal:
            return run_cell(request, replace(self.settings, preparing=terminal.preparing)).record


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _words(settings: Mapping[str, Any]) -> str:
    import json

    return " ".join(f"{name}={json.dumps(value, separators=(',', ':'))}" for name, value in settings.items())


def _range(tune: Any) -> tuple[str]:
    from ..api import OneOf

    if isinstance(tune, OneOf):
        return (f"one of {', '.join(map(str, tune.values))}",)
    return (f"{tune.low:g} to {tune.high:g}{', logarithmic' if tune.log else ''}",)
