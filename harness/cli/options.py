"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..data.roots import root_of
from ..errors import SpecError

if TYPE_CHECKING:
    from ..plugins import Kind, Registry
    from ..scoring.weights import Weights
    from ..tables.survey import Survey

Results = Annotated[
    Path,
    typer.Option(
        "--results", envvar="HAGAN_BENCH_RESULTS", help="Folder of runs and tables.", show_envvar=True
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="HAGAN_BENCH_CACHE",
        help="Folder of prepared images, features and weights. Default: the user's cache folder.",
        show_envvar=True,
    ),
]
WeightsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--weights",
        envvar="HAGAN_BENCH_WEIGHTS",
        help="Weights of a feature network: a file, or a folder of them.",
        show_envvar=True,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download weights.")]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")]
DeviceMemory = Annotated[
    str | None,
    typer.Option(
        "--device-memory",
        metavar="BYTES",
        help="Memory that images may take on the device, such as 8GB; more stream from the disk. "
        "Default: half of what is free; on a CPU, half of RAM.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Value of a setting; dataset.NAME for the data set's. Repeatable."
    ),
]
Resolution = Annotated[int, typer.Option("--res", help="Side of the square images, in pixels.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Number of processes that read raw files.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave damaged raw files out, and record them.")]
# As paths, for these alone are split at os.pathsep where they come from the environment.
Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--data-root",
        metavar="DIR or NAME=DIR",
        envvar="HAGAN_BENCH_DATA",
        help="Raw files: a folder (or archive), one with a folder DIR/NAME for each data set, or one set's "
        f"own. Repeatable; in the variable, with {os.pathsep} between them.",
        show_envvar=True,
    ),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="MODALITY", help="Modality to translate from: bench show dataset."),
]
Target = Annotated[
    str | None, typer.Option("--target", metavar="MODALITY", help="Modality to translate into.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Only records with this setting. Repeatable."),
]
TensorBoardOption = Annotated[
    bool,
    typer.Option(
        "--tensorboard",
        envvar="HAGAN_BENCH_TENSORBOARD",
        help="Write event files for TensorBoard too, into the run's folder.",
        show_envvar=True,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for programs: bench show schema COMMAND.")
]
TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track",
        envvar="HAGAN_BENCH_TRACK",
        help="Trackers that are told losses and scores, comma separated: trackio, mlflow.",
        show_envvar=True,
    ),
]
OneResolution = Annotated[int | None, typer.Option("--res", help="Side of the images, in pixels.")]
RESULTS = Path("results")


def completing(kind: Kind) -> Callable[[], list[str]]:
    """What a shell may complete a name of this kind to."""
    return lambda: [entry.name for entry in registry().entries(kind)]


def presets_to_type(ctx: typer.Context) -> list[str]:
    """What a shell may complete ``--preset`` to: the core's, and those of the model that is named."""
    from ..cell.protocol import CORE_PRESETS

    model = ctx.params.get("model")
    own = registry().load("models", model).presets if model else {}
    return sorted({*CORE_PRESETS, *own})


def runs_to_type(ctx: typer.Context) -> list[str]:
    """What a shell may complete a run to: the folders of the results."""
    results = Path(ctx.params.get("results") or RESULTS)
    return sorted(spec.parent.name for spec in results.glob("runs/*/spec.json"))


ModelName = Annotated[
    str,
    typer.Option("--model", help="Model to train: bench list models.", autocompletion=completing("models")),
]
DatasetName = Annotated[
    str,
    typer.Option(
        "--dataset",
        help="Data set to train on: bench list datasets.",
        autocompletion=completing("datasets"),
    ),
]


def registry() -> Registry:
    """All plugins; what is wrong with any of them goes to standard error."""
    from .. import plugins

    registry = plugins.current(tell)
    for problem in registry.problems:
        print(f"warning: plugin {problem.distribution}: {problem.message}", file=sys.stderr)
    return registry


def tell(message: str) -> None:
    """Say what the user should know and nothing stops for."""
    print(f"note: {message}", file=sys.stderr)


def cache_folder(given: Path | None) -> Path:
    """The cache that the user named, or the one of this user."""
    if given is not None:
        return given
    from ..data.roots import default_cache

    return default_cache()


def weights_of(given: list[Path] | None, cache: Path, offline: bool) -> Weights:
    """Where feature networks find their weights."""
    from ..scoring.weights import Weights
    from .downloading import DownloadBar

    return Weights(cache / "weights", given=tuple(given or ()), online=not offline, progress=DownloadBar())


@contextmanager
def tracking(tensorboard: bool, track: str | None) -> Iterator[None]:
    """Watch cells for TensorBoard and other trackers, where somebody wants that.

    Raises:
        SpecError: There is no such tracker, or it is not installed.
    """
    manager = registry().manager
    with ExitStack() as watching:
        if tensorboard:
            from ..training.tracking import TensorBoard

            watching.enter_context(TensorBoard(manager))
        for name in names_of(track) or ():
            from ..plugins import unknown_name
            from ..training.trackers import TRACKERS

            if name not in TRACKERS:
                raise unknown_name("tracker", name, TRACKERS, hint="--track trackio; or --tensorboard")
            watching.enter_context(TRACKERS[name](manager))
        yield


def device_memory_of(text: str | None) -> int | None:
    """Bytes of ``--device-memory``; None where it was not given.

    Raises:
        SpecError: It is no amount of memory.
    """
    from ..values import bytes_of

    return None if text is None else bytes_of(text, "--device-memory")


def settings_of(assignments: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """``NAME=VALUE`` pairs as a mapping.

    Raises:
        SpecError: One has no ``=``, or a name comes twice.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments or []:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise SpecError(
                f"{option} {assignment!r} is not a setting with a value",
                needed=f"{option} NAME=VALUE",
                hint=f"{option} lr=5e-4",
            )
        if name in settings:
            raise SpecError(f"{option} {name} is given twice", needed="one value")
        settings[name] = value
    return settings


def given_settings(assignments: list[str] | None, **options: Any) -> dict[str, Any]:
    """Settings of a cell: those of ``--set``, and those that were given by an option of their own."""
    return settings_of(assignments) | {name: value for name, value in options.items() if value is not None}


def survey_of(results: Path, where: list[str] | None) -> Survey:
    """The records of a results folder that have the named settings."""
    from ..cell.records import Store
    from ..tables.survey import Survey, matching, survey

    if not results.is_dir():
        raise SpecError(
            f"there is no folder {results}",
            needed="the results of bench run or bench grid",
            hint="--results DIR",
        )
    found = survey(Store(results))
    return Survey(list(matching(found.results, settings_of(where, "--where"))), found.problems)


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Comma-separated names; None where nothing was said."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def roots_of(given: list[Path] | None) -> dict[str, Path]:
    """Folders of raw files by data set, of each ``DIR`` or ``NAME=DIR``; ``""`` is for all others.

    Raises:
        SpecError: Two for one.
    """
    roots: dict[str, Path] = {}
    for path in given or []:
        name, equals, rest = str(path).partition("=")
        # A name is no path: /data/run=3/acdc is a folder.
        key, root = (name, Path(rest)) if equals and Path(name).name == name else ("", path)
        if key in roots:
            raise SpecError(
                f"two folders for {key or 'all data sets'}: {roots[key]} and {root}",
                needed="one for each data set",
                hint="--data-root NAME=DIR",
            )
        roots[key] = root
    return roots


def data_root_of(dataset: str, given: list[Path] | None) -> Path | None:
    """The folder of one data set's raw files, where one was named.

    Raises:
        SpecError: Two for one.
    """
    return root_of(dataset, roots_of(given))
