"""The command line: the only part that prints, reads the environment, or exits.

Modules here import the rest of the core inside their commands: ``bench --help`` must not wait for torch.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import harness

from ..errors import BenchError
from . import catalogue, cell, check, data, doctor, figure, grid, report, run, sample, score, table

app = typer.Typer(
    name="bench",
    help="Train generative models on medical images under one protocol, score them, keep records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"hagan-bench {harness.__version__}")
        raise typer.Exit


app.command("run")(run.run)
app.command("grid")(grid.grid)
app.command("ablate")(grid.ablate)
app.command("sample")(sample.sample)
app.command("score")(score.score)
app.command("table")(table.table)
app.command("compare")(table.compare)
app.command("figure")(figure.figure)
app.command("report")(report.report)
app.add_typer(data.app)
app.command("list")(catalogue.list_plugins)
app.command("show")(catalogue.show)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("cell", hidden=True)(cell.cell)


def main() -> None:
    """Run the command line. What a user can put right is told without a traceback, and exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks an arrow, or a name that is no text, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _code_of(app)
        sys.stdout.flush()
    except OSError as error:
        # Nobody reads any more, or the disk behind standard output is full: Python shall not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1 if error.errno == errno.EPIPE else _tell(_storage(error))
    sys.exit(code)


def _code_of(command: Callable[[], object]) -> int:
    """Run a command, and tell its error; returns the exit code."""
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BenchError as error:
        return _tell(error)
    except KeyboardInterrupt:
        _say("stopped")
        return 130
    except MemoryError as error:
        return _tell(BenchError(f"not enough memory: {error or 'none is left'}", needed="less at a time"))
    except OSError as error:
        if error.errno == errno.EPIPE or (error.filename is None and error.errno == errno.ENOSPC):
            raise
        return _tell(_storage(error))
    return 0


def _storage(error: OSError) -> BenchError:
    """An error of the system: about a file, a disk or a connection, and so the user's to put right."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return BenchError(f"{where}{error.strerror or error}", needed="a place that can be read, or written to")


def _tell(error: BenchError) -> int:
    first, *rest = str(error).splitlines() or [type(error).__name__]
    _say("\n  ".join([f"error: {first}", *rest]))
    return error.exit_code


def _say(words: str) -> None:
    try:
        print(words, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens; the exit code still tells
