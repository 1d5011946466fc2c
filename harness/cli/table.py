"""``bench table``: the published tables with our numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .options import registry


def table(
    which: Annotated[str, typer.Argument(help="1.")],
    models: Annotated[str | None, typer.Option(help="Rows, comma separated; all by default.")] = None,
    res: Annotated[int, typer.Option(help="Table 1: side of the images, in pixels.")] = 64,
    form: Annotated[
        Literal["md", "latex", "csv", "html"], typer.Option("--format", help="md, latex, csv or html.")
    ] = "md",
) -> None:
    """Print a table."""
    from ..complexity import complexity_sheet
    from ..sheets import render

    plugins = registry()
    names = models.split(",") if models else [entry.name for entry in plugins.entries("models")]
    text = render(complexity_sheet(plugins, names, res), form)
    print(text, end="")
