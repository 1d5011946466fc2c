"""How a command ends: which exit code, what is told of its error, and when a traceback is shown."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import harness

from ..errors import BenchError
from ..shortage import OF_THE_MACHINE

DEBUG = "HAGAN_BENCH_DEBUG"
"""Set, in the environment, by ``bench --debug``: so that the cells of a grid keep to it too."""


def end(command: Callable[[], object]) -> int:
    """Run a command, and tell its error; returns the exit code."""
    _hold_streams()
    try:
        code = _code_of(command)
        sys.stdout.flush()
    except OSError as error:
        if not _is_of_output(error):
            raise
        # Nobody reads any more, or the disk behind standard output is full: Python shall not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1 if error.errno == errno.EPIPE else _tell(_storage(error))
    return code


def _hold_streams() -> None:
    """Make both streams take any text; where one was closed, no file that is opened takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks an arrow, or a name that is no text, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")


def _code_of(command: Callable[[], object]) -> int:
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
        if _is_of_output(error) or not _is_of_the_system(error):
            raise
        return _tell(_storage(error))
    return 0


def _is_of_output(error: OSError) -> bool:
    """Whether standard output could not be written to: such an error bears no name."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EFBIG)


def _is_of_the_system(error: OSError) -> bool:
    """Whether the system refused a file, and not one of the program itself: anything else is a bug."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return error.errno in OF_THE_MACHINE
    own = Path(harness.__file__).parent
    return own not in Path(os.fsdecode(error.filename)).parents


def _storage(error: OSError) -> BenchError:
    """An error of the system: about a file, a disk or a connection, and so the user's to put right."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return BenchError(f"{where}{error.strerror or error}", needed="a place that can be read, or written to")


def _tell(error: BenchError) -> int:
    if os.environ.get(DEBUG):
        _say("".join(traceback.format_exception(sys.exception() or error)).rstrip())
    first, *rest = str(error).splitlines() or [type(error).__name__]
    _say("\n  ".join([f"error: {first}", *rest]))
    return error.exit_code


def _say(words: str) -> None:
    try:
        print(words, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens; the exit code still tells
