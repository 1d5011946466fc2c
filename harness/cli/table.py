"""``bench table`` and ``bench compare``: scores as the published tables, and one model against another."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..files import typed
from .options import (
    RESULTS,
    AsJson,
    CacheOption,
    OneResolution,
    Results,
    Source,
    Target,
    Where,
    cache_folder,
    names_of,
    registry,
    settings_of,
    survey_of,
    tell,
)

if TYPE_CHECKING:
    from ..tables.sheets import Format, Sheet
    from ..tables.survey import Result

Form = Annotated[
    Literal["md", "latex", "csv", "html"], typer.Option("--format", help="md, latex, csv or html.")
]
Scores = Annotated[
    str | None,
    typer.Option("--metric", help="Scores or metrics, comma separated: fid,kid. Default: the grid's."),
]
Which = Annotated[
    Literal["best", "last", "selected"],
    typer.Option(
        help="Scores of the best networks of a training, or of the last, on fresh samples; or those of the "
        "evaluation that selected the best, as published scores are."
    ),
]


def table(
    name: Annotated[
        str,
        typer.Argument(
            metavar="1|2|3|4|paired|GRID", help="A published table, translators, or a grid's file."
        ),
    ],
    models: Annotated[str | None, typer.Option(help="Models to show as rows, comma separated.")] = None,
    datasets: Annotated[
        str | None, typer.Option(help="Data sets to show as columns, comma separated.")
    ] = None,
    res: OneResolution = None,
    source: Source = None,
    target: Target = None,
    metric: Scores = None,
    which: Which = "best",
    where: Where = None,
    against: Annotated[
        Literal["published"] | None,
        typer.Option(help="published: show the published values and the differences."),
    ] = None,
    form: Form = "md",
    as_json: AsJson = False,
    results: Results = RESULTS,
    cache: CacheOption = None,
) -> None:
    """Print a table: 1 counts parameters and operations, the others show the scores of records."""
    from ..grid.definition import load_grid

    plugins = registry()
    if name == "1":
        from ..tables.complexity import complexity_sheet

        rows = names_of(models) or [entry.name for entry in plugins.entries("models")]
        _show("table", complexity_sheet(rows, res or 64), form, as_json)
        return
    from ..tables.remembered import remembering
    from ..tables.scores import score_sheet
    from ..tables.survey import collecting_nothing

    whole = f"table{name}" if name.isdigit() else name
    grid = load_grid(whole).narrowed(
        models=names_of(models),
        datasets=names_of(datasets),
        resolutions=None if res is None else (res,),
        source=source,
        target=target,
    )
    with remembering(cache_folder(cache)), collecting_nothing():
        sheet = score_sheet(
            grid,
            survey_of(results, where),
            scores=names_of(metric) or (),
            which=which,
            against_published=against == "published",
        )
        gc.freeze()  # all of it is there until the command ends
    if all(cell.value is None for row in sheet.rows for cell in row):
        command = typed("bench", "grid", whole, "--data-root", "DATA", "--results", results)
        tell(f"no cell of it is done in {results}; to train them: {command}")
    _show("table", sheet, form, as_json)


def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="Model: a name, or NAME@SETTING=VALUE,SETTING=VALUE.")
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Model to compare it with, in the same form.")],
    metric: Scores = None,
    which: Which = "best",
    where: Where = None,
    form: Form = "md",
    as_json: AsJson = False,
    results: Results = RESULTS,
    cache: CacheOption = None,
) -> None:
    """Compare two models by cells that share data, conditions and seed; fewer than 6 pairs are no test."""
    from ..tables import compare as comparing
    from ..tables.comparison_sheet import comparison_sheet
    from ..tables.remembered import remembering
    from ..tables.survey import Installed

    registry()
    found = survey_of(results, where)
    for problem in found.problems:
        tell(problem)
    ours, theirs = (comparing.Side(name, _selected(found.results, name)) for name in (first, second))
    with remembering(cache_folder(cache)):
        installed = Installed()
        scores = installed.scores(names_of(metric) or ("fid",))
        comparisons = [comparing.compare(ours, theirs, score, installed, which) for score in scores]
    _show("compare", comparison_sheet(first, second, comparisons), form, as_json)


def _show(command: Literal["table", "compare"], sheet: Sheet, form: Format, as_json: bool) -> None:
    from ..tables.sheets import render
    from .answers import emit, tabled

    if as_json:
        emit(tabled(command, sheet))
    else:
        print(render(sheet, form), end="")


def _selected(found: Sequence[Result], name: str) -> list[Result]:
    """The results of ``MODEL`` or ``MODEL@NAME=VALUE,NAME=VALUE``.

    Raises:
        SpecError: There are none.
    """
    from ..plugins import unknown_name
    from ..tables.survey import matching

    model, _, conditions = name.partition("@")
    own = [result for result in found if result.spec.model.name == model]
    if not own:
        known = {result.spec.model.name for result in found}
        raise unknown_name("model among the records", model, known, hint="bench list models; --results DIR")
    return list(matching(own, settings_of(conditions.split(","), "@"))) if conditions else own
