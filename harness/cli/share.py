"""``bench export``, ``import``, ``board`` and ``publish``: results that others may read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SpecError
from ..files import atomic_write
from .options import RESULTS, Results, registry, survey_of, tell

if TYPE_CHECKING:
    from ..tables.survey import Result


def export(
    what: Annotated[
        str, typer.Argument(metavar="RUN|GRID", help="A run (the start of its name), or a grid.")
    ],
    out: Annotated[Path, typer.Option(help="Archive to write: a zip.")],
    with_samples: Annotated[
        bool, typer.Option("--with-samples", help="Add a picture of samples of each cell, made anew.")
    ] = False,
    cleared: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="Who looked at the samples and may pass them on; it is written into the archive.",
        ),
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Put records, logs, tables and a card into an archive; no networks, and no pixels unless you ask."""
    import harness

    from ..sharing.archive import write_archive
    from ..sharing.card import card
    from ..sharing.collect import shared

    registry()
    chosen, texts = _chosen(what, results)
    if with_samples:
        _check_cleared(chosen, cleared)
    cells = shared(chosen, with_samples=with_samples, tell=tell)
    texts["README.md"] = card(chosen, title=what)
    facts = {"by": f"hagan-bench {harness.__version__}", "samples": with_samples, "cleared": cleared}
    write_archive(out, cells, texts, facts)
    print(f"{_cells(len(cells))} in {out}; samples: {'yes' if with_samples else 'none'}")


def import_(
    file: Annotated[Path, typer.Argument(help="Archive that bench export wrote.")],
    results: Results = RESULTS,
) -> None:
    """Add the records of an archive to a results folder; what is there already stays as it is."""
    from ..cell.records import Store
    from ..sharing.archive import read_archive
    from ..sharing.collect import take_in

    registry()
    new = take_in(read_archive(file), Store(results), tell)
    for path in new:
        print(path)
    print(f"new in {results}: {_cells(len(new))}")


def board(
    files: Annotated[list[Path], typer.Argument(help="Archives that bench export wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for index.html.")],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Medical image synthesis",
) -> None:
    """Write a leaderboard of archives: one page that opens from disk, sorts and filters."""
    from ..sharing.archive import read_archive
    from ..sharing.board import board as make_board

    registry()
    cells = [cell for file in files for cell in read_archive(file)]
    path = out / "index.html"
    with atomic_write(path) as page:
        page.write(make_board(cells, title=title).encode(errors="backslashreplace"))
    print(path)


def publish(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run: the start of its name.")],
    hub: Annotated[str, typer.Option(metavar="OWNER/NAME", help="Repository of models on the hub.")],
    cleared: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="Who looked for copies and may publish; it goes on the card."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(envvar="HF_ENDPOINT", help="Address of the hub.", show_envvar=True)
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Publish a run's networks, card, record and log on a hub of models, for its owner's eyes at first."""
    from ..sharing.hub import check_cleared
    from ..sharing.hub import publish as send

    registry()
    answered = check_cleared(cleared)
    chosen, _ = _chosen(run, results)
    if len(chosen) > 1:
        raise SpecError(f"{run} is a grid", needed="one run", hint="bench publish RUN --hub OWNER/NAME")
    print(send(chosen[0], hub, cleared=answered, endpoint=endpoint))


def _chosen(what: str, results: Path) -> tuple[list[Result], dict[str, str]]:
    """The finished cells that somebody means, and the tables that go with them."""
    from ..cell.records import Store
    from ..grid.definition import load_grid, shipped
    from ..sharing.collect import of_grid
    from ..tables.scores import score_sheet
    from ..tables.sheets import render

    found = survey_of(results, None)
    if what in shipped() or what.endswith(".toml"):
        grid = load_grid(what)
        chosen = of_grid(found.results, grid)
        if not chosen:
            raise SpecError(
                f"no cell of {what} is done in {results}", needed="one", hint=f"bench grid {what}"
            )
        sheet = score_sheet(grid, found)
        name = Path(what).stem
        return chosen, {f"tables/{name}.md": render(sheet, "md"), f"tables/{name}.csv": render(sheet, "csv")}
    folder = Store(results).find(what)
    chosen = [result for result in found.results if result.folder.path.name == folder.path.name]
    if not chosen:
        raise SpecError(
            f"{folder.path} is not done", needed="a finished run", hint="the same bench run again"
        )
    return chosen, {}


def _check_cleared(results: list[Result], cleared: str | None) -> None:
    """Refuse to pass on samples that may show somebody, unless a person answers for them.

    Raises:
        SpecError: Nobody does.
    """
    from ..plugins import current

    real = sorted(
        {
            result.spec.dataset.name
            for result in results
            if current().load("datasets", result.spec.dataset.name).needs_root
        }
    )
    if real and not cleared:
        raise SpecError(
            f"samples of models trained on {', '.join(real)} may show its patients",
            needed="somebody who looked at them (bench figure copies) and at the data's licence",
            hint="--cleared 'NAME, DATE, and why they may be passed on'",
        )


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"
