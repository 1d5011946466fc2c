"""``bench figure``: samples beside real images, translations, AttnMix from a checkpoint, curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..errors import SpecError
from .options import (
    RESULTS,
    CacheOption,
    Device,
    OneSide,
    Results,
    Roots,
    Source,
    Target,
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
EXPLAINED = ("7", "paired")


def figure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="5|6|7|paired|curves|GRID",
            help="5, 6: samples at 64 and 256 px. 7: a model's own explanation. paired: source, output, "
            "target and error of translators. A grid's file: its samples.",
        ),
    ],
    models: Annotated[str | None, typer.Option(help="Only these, comma separated.")] = None,
    datasets: Annotated[str | None, typer.Option(help="Only these, or others, comma separated.")] = None,
    res: OneSide = None,
    where: Where = None,
    count: Annotated[int, typer.Option(min=1, help="Images in a row; rows of 7 and paired.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="First seed of the samples, or first held-out slice.")] = 0,
    source: Source = "",
    target: Target = "",
    out: Annotated[Path | None, typer.Option(help="Folder; default RESULTS/figures.")] = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Draw a figure from records and checkpoints, as PNG and PDF."""
    plugins = registry()
    found = [result for result in survey_of(results, where).results if _is_of(result, source, target)]
    work = _Work(plugins, found, out or results / "figures", roots_of(data_root), cache_folder(cache), device)
    if name in EXPLAINED:
        paths = work.explanations(name, names_of(models), names_of(datasets), res, min(count, 8), seed)
    elif name == "curves":
        paths = work.curves(names_of(models), names_of(datasets), res)
    else:
        from ..grid.definition import load_grid

        grid = load_grid(SAMPLES_OF.get(name, name)).narrowed(
            models=names_of(models),
            datasets=names_of(datasets),
            resolutions=None if res is None else (res,),
            source=source or None,
            target=target or None,
        )
        paths = work.samples(f"figure{name}" if name in SAMPLES_OF else grid.name, grid, count, seed)
    for path in paths:
        print(path)


def _is_of(result: Result, source: str, target: str) -> bool:
    """Whether a result has the modalities that were named; all have where none was."""
    pair = result.spec.dataset.pair
    if pair is None:
        return not (source or target)
    return source in ("", pair.source) and target in ("", pair.target)


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
        from ..views.gallery import Opener

        self.plugins = plugins
        self.found = found
        self.out = out
        self.opened = Opener(plugins, roots, cache)
        self.device = pick_device(device)

    def samples(self, stem: str, grid: Grid, count: int, seed: int) -> list[Path]:
        """One figure for each data set and side of a grid: a row of real images, a row for each model."""
        from ..spec import label_of
        from ..tables.entries import rows_of, terms_of
        from ..views.figures import samples_figure, save_figure
        from ..views.gallery import samples_of, shown_runs

        shown, terms = rows_of(grid, self.plugins), terms_of(grid, self.plugins)
        paths = []
        labels = [label_of(dataset, grid.pair) for dataset in grid.datasets]
        for label, side in product(labels, grid.resolutions):
            asked = terms.get((label, side), ())
            runs = shown_runs(self.found, self.plugins, shown, label, side, asked)
            if not runs:
                continue
            rows, problems = samples_of(runs, self.plugins, self.device, count, self.opened, first_seed=seed)
            for problem in problems:
                print(f"left out: {problem}")
            some = list(runs.values())
            real = self.opened(some[0].spec).beside(count, seed)
            given = {} if real.source is None else {"source": real.source}
            title = f"{label}, {side} px, best networks after {_lengths(some)} epochs"
            made = samples_figure({**given, "real": real.images, **rows}, title)
            paths += save_figure(made, self._stem(stem, label, side))
        return paths or _nothing(", ".join(grid.datasets))

    def explanations(
        self,
        name: str,
        models: tuple[str, ...] | None,
        datasets: tuple[str, ...] | None,
        res: int | None,
        count: int,
        first: int,
    ) -> list[Path]:
        """One figure for each model and data set where the model has something to show of real images."""
        from ..networks import load_model
        from ..tables.entries import Row
        from ..views.figures import explanation_figure, save_figure
        from ..views.gallery import shown_runs

        kind = _explained(name)
        paths = []
        for model, label, side in self._places(models, datasets, res):
            alone = [Row(model, model, {})]
            for run in shown_runs(self.found, self.plugins, alone, label, side).values():
                network = load_model(run.folder, self.plugins, self.device, "best")
                if not kind.applies(network):
                    continue
                shown = self.opened(run.spec).beside(count, first)
                if pictures := kind.draw(network, shown, seed=first):
                    made = explanation_figure(pictures, run.folder.path.name)
                    paths += save_figure(made, self._stem(f"{kind.stem}-{model}", label, side))
        return paths or _nothing(kind.what)

    def curves(
        self, models: tuple[str, ...] | None, datasets: tuple[str, ...] | None, res: int | None
    ) -> list[Path]:
        """Scores and losses of all runs, one figure for each data set and side."""
        from ..views.figures import curves_figure, save_figure

        paths = []
        for label, side in dict.fromkeys(place[1:] for place in self._places(models, datasets, res)):
            runs = [
                result
                for result in self.found
                if (result.spec.dataset.label, result.spec.resolution) == (label, side)
                and (models is None or result.spec.model.name in models)
            ]
            if made := curves_figure(runs, f"{label}, {side} px"):
                paths += save_figure(made, self._stem("curves", label, side))
        return paths or _nothing("a log")

    def _stem(self, name: str, label: str, side: int) -> Path:
        return self.out / f"{name}-{label.replace(' ', '-')}-{side}"

    def _places(
        self, models: tuple[str, ...] | None, datasets: tuple[str, ...] | None, res: int | None
    ) -> list[tuple[str, str, int]]:
        places = {
            (spec.model.name, spec.dataset.label, spec.resolution)
            for spec in (result.spec for result in self.found)
            if (models is None or spec.model.name in models)
            and (datasets is None or spec.dataset.name in datasets)
            and res in (None, spec.resolution)
        }
        return sorted(places)


class _Explained(NamedTuple):
    """A figure of what models do with real images.

    Attributes:
        stem: What its files are called.
        what: Which models have it.
        applies: Whether this one has.
        draw: What there is to see, by title.
    """

    stem: str
    what: str
    applies: Callable[[Any], bool]
    draw: Callable[..., Mapping[str, Any]]


def _explained(name: str) -> _Explained:
    from ..api import Model, Translator
    from ..views.figures import explain, translations

    def says_something(model: Any) -> bool:
        return type(model).explain is not Model.explain

    return {
        "7": _Explained("figure7", "a model that explains itself", says_something, explain),
        "paired": _Explained(
            "paired", "a translator", lambda model: isinstance(model, Translator), translations
        ),
    }[name]


def _lengths(runs: list[Result]) -> str:
    return " or ".join(str(length) for length in sorted({run.spec.protocol.epochs for run in runs}))


def _nothing(what: str) -> list[Path]:
    raise SpecError(
        f"there is nothing to draw: no complete run of {what}",
        needed="complete runs",
        hint="bench grid; or --results DIR, where the runs are elsewhere",
    )
