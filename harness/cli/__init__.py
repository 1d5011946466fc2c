"""The command line: the only part that prints, reads the environment, or exits.

Modules here import the rest of the core inside their commands: ``bench --help`` must not wait for torch.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import harness

from . import (
    catalogue,
    cell,
    check,
    classes,
    config,
    data,
    doctor,
    figure,
    grid,
    report,
    run,
    sample,
    score,
    share,
    status,
    table,
    tune,
    verify,
    watch,
)
from .ending import DEBUG, end

app = typer.Typer(
    name="bench",
    help="Train generative models on medical images under one protocol, score them, keep records.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from, before the error itself.")
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"
    if version:
        print(f"hagan-bench {harness.__version__}")
        raise typer.Exit


app.command("run")(run.run)
app.command("watch")(watch.watch)
app.command("grid")(grid.grid)
app.command("ablate")(grid.ablate)
app.command("tune")(tune.tune)
app.command("status")(status.status)
app.command("sample")(sample.sample)
app.command("score")(score.score)
app.command("classes")(classes.classes)
app.command("table")(table.table)
app.command("compare")(table.compare)
app.command("figure")(figure.figure)
app.command("report")(report.report)
app.command("export")(share.export)
app.command("import")(share.import_)
app.command("verify")(verify.verify)
app.command("board")(share.board)
app.command("publish")(share.publish)
app.add_typer(data.app)
app.command("list")(catalogue.list_plugins)
app.command("show")(catalogue.show)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("config")(config.config)
app.command("cell", hidden=True)(cell.cell)


def main() -> None:
    """Run the command line. What a user can put right is told without a traceback, and exits with 2."""
    sys.exit(end(app))
