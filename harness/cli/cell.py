"""``bench cell``, hidden: what a grid's executor starts. One cell from text to record, without a display."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ..errors import BusyError, Interrupted, SpecError
from .options import (
    Device,
    TensorBoardOption,
    TrackOption,
    WeightsOption,
    registry,
    tell,
    tracking,
    weights_of,
)
from .stopping import StopSignal


def cell(
    packed: Annotated[str | None, typer.Argument(help="The cell, as `bench grid` packed it.")] = None,
    cells: Annotated[Path | None, typer.Option(help="A file of cells that an executor wrote.")] = None,
    index: Annotated[int, typer.Option(help="Which of its lines to compute, from 0.")] = 0,
    expect: Annotated[
        str | None, typer.Option(help="Identity of the cell that is meant; another one is refused.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(envvar="HAGAN_BENCH_JOB", help="The job that this is, in its queue's words.")
    ] = None,
    until_eof: Annotated[
        bool,
        typer.Option(
            "--until-eof", help="Save and end when standard input ends: whoever started it is gone."
        ),
    ] = False,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of this process.")] = None,
    weights: WeightsOption = None,
    tensorboard: TensorBoardOption = False,
    track: TrackOption = None,
) -> None:
    """Compute one cell of a grid."""
    if threads is not None:
        # Before numpy and torch are loaded, which read these once.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
    if cells is not None:
        _stored(cells, index, expect, device, threads)
    if packed is None:
        raise SpecError("which cell?", needed="a cell, or --cells FILE --index N")

    from ..api import BUSY
    from ..cell.records import Store
    from ..grid.jobs import unpack
    from ..running.cell import run_cell
    from ..running.place import Settings
    from .exits import UNFINISHED, stopped_by

    # Whoever sends a second signal sends SIGKILL: schedulers repeat themselves without meaning more.
    stop = StopSignal(raises=False)
    if until_eof:
        threading.Thread(target=end_with, args=(0,), daemon=True).start()
    work = unpack(packed)
    settings = Settings(
        Store(work.results),
        work.cache,
        device=device,
        device_memory=work.device_memory,
        workers=threads,
        skip_bad=work.skip_bad,
        weights=weights_of([*work.weights, *(weights or ())], work.cache, offline=False),
        stop=stop,
        job=job,
        tell=tell,
    )
    registry()
    try:
        with tracking(tensorboard, track):
            record = run_cell(work.request, settings, expect=expect).record
    except BusyError:
        sys.exit(BUSY)
    except Interrupted:
        sys.exit(stopped_by(stop.number))
    if record.status == "failed":
        print(f"error: {record.last_words}", file=sys.stderr)
        sys.exit(UNFINISHED)


def end_with(stream: int) -> None:
    """Ask this process to save and end once nobody holds the other end of a stream."""
    while os.read(stream, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _stored(path: Path, index: int, expect: str | None, device: str, threads: int | None) -> NoReturn:
    """Do what a line of a file of cells says, on what this job was given."""
    from ..grid.cells import read_cell
    from . import app

    own = [f"--device={device}", *([] if threads is None else [f"--threads={threads}"])]
    app([*read_cell(path, index, expect).arguments, *own])
    raise AssertionError("a command ends by exiting")
