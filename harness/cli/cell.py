"""``bench cell``, hidden: what a grid's executor starts. One cell from text to record, without a display."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..errors import BusyError
from .options import Device, TensorBoardOption, WeightsOption, registry, tell, tracking, weights_of
from .stopping import StopSignal


def cell(
    job: Annotated[str, typer.Argument(help="The cell, as `bench grid` packed it.")],
    expect: Annotated[
        str | None, typer.Option(help="Identity of the cell that is meant; another one is refused.")
    ] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of this process.")] = None,
    weights: WeightsOption = None,
    tensorboard: TensorBoardOption = False,
) -> None:
    """Compute one cell of a grid."""
    if threads is not None:
        # Before numpy and torch are loaded, which read these once.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)

    from ..api import BUSY
    from ..cell.records import Store
    from ..grid.jobs import unpack
    from ..running.cell import run_cell
    from ..running.place import Settings
    from ..training.loop import Interrupted

    # Whoever sends a second signal sends SIGKILL: schedulers repeat themselves without meaning more.
    stop = StopSignal(raises=False)
    packed = unpack(job)
    settings = Settings(
        Store(packed.results),
        packed.cache,
        device=device,
        workers=threads,
        skip_bad=packed.skip_bad,
        weights=weights_of([*packed.weights, *(weights or ())], packed.cache, offline=False),
        stop=stop,
        tell=tell,
    )
    registry()
    try:
        with tracking(tensorboard):
            record = run_cell(packed.request, settings, expect=expect).record
    except BusyError:
        sys.exit(BUSY)
    except Interrupted:
        sys.exit(stop.code)
    if record.status == "failed":
        print(f"error: {(record.error or '').strip().splitlines()[-1]}", file=sys.stderr)
        sys.exit(1)
