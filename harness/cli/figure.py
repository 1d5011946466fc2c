"""``bench figure``: samples beside real images, AttnMix from a checkpoint, curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from .options import (
    RESULTS,
    CacheOption,
    Device,
    OneSide,
    Results,
    Roots,
    Where,
    cache_folder,
    names_of,
    registry,
    roots_of,
    survey_of,
)

if TYPE_CHECKING:
    from ..grid.definition import Grid
    from ..plugins import Registry
    from ..tables.survey import Result

SAMPLES_OF = {"5": "table2", "6": "table3"}
"""The published figures of samples show the grids of these tables."""
EXPLAINED = "7"


def figure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="5|6|7|curves|GRID",
            help="5, 6: samples at 64 and 256 px. 7: a model's own explanation. A grid's file: its samples.",
        ),
    ],
    models: Annotated[str | None, typer.Option(help="Only these, comma separated.")] = None,
    datasets: Annotated[str | None, typer.Option(help="Only these, or others, comma separated.")] = None,
    res: OneSide = None,
    where: Where = None,
    count: Annotated[int, typer.Option(min=1, help="Images in a row; rows of figure 7.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="First seed of the samples.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder; default RESULTS/figures.")] = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Draw a figure from records and checkpoints, as PNG and PDF."""
    plugins = registry()
    found = survey_of(results, where).results
    work = _Work(plugins, found, out or results / "figures", roots_of(data_root), cache_folder(cache), device)
    if name == EXPLAINED:
        paths = work.explanations(names_of(models), names_of(datasets), res, min(count, 8), seed)
    elif name == "curves":
        paths = work.curves(names_of(models), names_of(datasets), res)
    else:
        from ..grid.definition import load_grid

        grid = load_grid(SAMPLES_OF.get(name, name)).narrowed(
            models=names_of(models),
            datasets=names_of(datasets),
            resolutions=None if res is None else (res,),
        )
        paths = work.samples(f"figure{name}" if name in SAMPLES_OF else grid.name, grid, count, seed)
    for path in paths:
        print(path)


class _Work:
    """The figures of one call."""

    def __init__(
        self,
        plugins: Registry,
        found: list[Result],
        out: Path,
        roots: dict[str, Path],
        cache: Path,
        device: str,
    ) -> None:
        from ..machine import pick_device

        self.plugins = plugins
        self.found = found
        self.out = out
        self.roots = roots
        self.cache = cache
        self.device = pick_device(device)

    def samples(self, stem: str, grid: Grid, count: int, seed: int) -> list[Path]:
        """One figure for each data set and side of a grid: a row of real images, a row for each model."""
        from ..views.figures import samples_figure, save_figure
        from ..views.gallery import evenly, real_set, samples_of, shown_runs

        paths = []
        for dataset in grid.datasets:
            for resolution in grid.resolutions:
                runs = shown_runs(self.found, self.plugins, grid.models, dataset, resolution)
                if not runs:
                    continue
                rows, problems = samples_of(runs, self.plugins, self.device, count, first_seed=seed)
                for problem in problems:
                    print(f"left out: {problem}")
                real = evenly(real_set(runs[0], self.plugins, self.roots, self.cache), count)
                title = f"{dataset}, {resolution} px, best networks after {_lengths(runs)} epochs"
                made = samples_figure({"real": real, **rows}, title)
                paths += save_figure(made, self.out / f"{stem}-{dataset}-{resolution}")
        return paths or _nothing(", ".join(grid.datasets))

    def explanations(
        self,
        models: tuple[str, ...] | None,
        datasets: tuple[str, ...] | None,
        res: int | None,
        count: int,
        seed: int,
    ) -> list[Path]:
        """One figure for each model and data set where the model has something to say."""
        from ..run import load_model
        from ..views.figures import explain, explanation_figure, save_figure
        from ..views.gallery import evenly, real_set, shown_runs

        paths = []
        for model, dataset, side in self._places(models, datasets, res):
            for run in shown_runs(self.found, self.plugins, [model], dataset, side):
                network = load_model(run.folder, self.plugins, self.device, "best")
                if not _explains(network):
                    continue
                real = evenly(real_set(run, self.plugins, self.roots, self.cache), count)
                if explanation := explain(network, real, seed=seed):
                    made = explanation_figure(explanation, run.folder.path.name)
                    paths += save_figure(made, self.out / f"figure{EXPLAINED}-{model}-{dataset}-{side}")
        return paths or _nothing("a model that explains itself")

    def curves(
        self, models: tuple[str, ...] | None, datasets: tuple[str, ...] | None, res: int | None
    ) -> list[Path]:
        """Scores and losses of all runs, one figure for each data set and side."""
        from ..views.figures import curves_figure, save_figure

        paths = []
        for dataset, side in dict.fromkeys(place[1:] for place in self._places(models, datasets, res)):
            runs = [
                result
                for result in self.found
                if (result.spec.dataset.name, result.spec.resolution) == (dataset, side)
                and (models is None or result.spec.model.name in models)
            ]
            if made := curves_figure(runs, f"{dataset}, {side} px"):
                paths += save_figure(made, self.out / f"curves-{dataset}-{side}")
        return paths or _nothing("a log")

    def _places(
        self, models: tuple[str, ...] | None, datasets: tuple[str, ...] | None, res: int | None
    ) -> list[tuple[str, str, int]]:
        places = {
            (spec.model.name, spec.dataset.name, spec.resolution)
            for spec in (result.spec for result in self.found)
            if (models is None or spec.model.name in models)
            and (datasets is None or spec.dataset.name in datasets)
            and res in (None, spec.resolution)
        }
        return sorted(places)


def _explains(model: Any) -> bool:
    from ..api import Model

    return type(model).explain is not Model.explain


def _lengths(runs: list[Result]) -> str:
    return " or ".join(str(length) for length in sorted({run.spec.protocol.epochs for run in runs}))


def _nothing(what: str) -> list[Path]:
    raise SpecError(
        f"there is nothing to draw: no complete run of {what}",
        needed="complete runs",
        hint="bench grid; or --results DIR, where the runs are elsewhere",
    )
