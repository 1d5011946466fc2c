"""Cells that others compute, followed from any machine: at a terminal, in plain lines, or as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BenchError
from .options import registry
from .stopping import StopSignal
from .user_file import executor_settings

if TYPE_CHECKING:
    from ..api.executor import Executor
    from ..grid.lookout import Lookout
    from ..grid.schedule import Watched
    from ..grid.status import GridStatus

QUIET_SECONDS = 60.0
"""Between two cells of a grid a moment may pass in which nobody works; after so long nobody will."""
LOOK_SECONDS = 1.0


def lookout_of(cells: Sequence[Watched], results: Path, troubles: Sequence[str] = ()) -> Lookout:
    """Somebody who looked at the folders of cells, and asked every queue that was given any.

    It is certain that what seems to run does: that takes a few seconds where machines died.

    Args:
        cells: They; their states are kept up to date.
        results: Results folder.
        troubles: What could not be read so far.
    """
    from ..grid.lookout import Lookout

    queues, broken = _queues(results / "logs")
    lookout = Lookout(cells, queues, results / "logs", [*troubles, *broken])
    lookout.look()
    while not lookout.is_sure:
        time.sleep(LOOK_SECONDS / 5)
        lookout.look()
    return lookout


def _queues(logs: Path) -> tuple[dict[str, Executor], list[str]]:
    """Every executor with a queue of its own; and those that can't be had, one sentence each."""
    from ..api.executor import Resources
    from ..grid.needs import Needs

    resources = Resources(devices=[], cores=1, jobs=None, per_device=1, logs=logs)
    plugins = registry()
    found, troubles = {}, []
    for entry in plugins.entries("executors"):
        try:
            kind = plugins.load("executors", entry.name)
            if kind.outlives:
                needs = Needs(kind, entry.name, executor_settings(entry.name), {})
                found[entry.name] = kind(resources, needs.general())
        except BenchError as error:
            troubles.append(f"executor {entry.name}: {error.found}")
    return found, troubles


def follow(name: str, cells: Sequence[Watched], results: Path, stop: StopSignal, *, as_json: bool) -> int:
    """Follow a grid's cells until all are done, nobody works on any, or somebody asks to stop.

    Returns:
        The exit code.
    """
    from ..grid.lookout import ASK_SECONDS
    from ..grid.schedule import rest_after
    from ..grid.status import status_of
    from .exits import UNFINISHED, stopped_by
    from .watching import Display

    def tell() -> None:
        print_status(status_of(name, results, cells, None, lookout.troubles), as_json=as_json)

    lookout = lookout_of(cells, results)
    tell()
    spoken = moved = time.monotonic()
    with Display(cells, None, silent=as_json) as display:
        lookout.changed = display.changed
        while not stop.count and not all(one.is_done for one in cells):
            began = time.monotonic()
            lookout.look()
            if any(one.state in ("queued", "running") for one in cells):
                moved = time.monotonic()
            elif time.monotonic() - moved > QUIET_SECONDS:
                break
            if as_json and time.monotonic() - spoken > ASK_SECONDS:
                spoken = time.monotonic()
                tell()
            display.tick()
            time.sleep(max(LOOK_SECONDS, rest_after(began)))
    tell()
    if stop.count:
        return stopped_by(stop.number)
    return 0 if all(one.is_done for one in cells) else UNFINISHED


def print_status(status: GridStatus, *, as_json: bool) -> None:
    """A status on standard output: a line of JSON, or what moves or went wrong, and how many are what."""
    from .watching import lines_of

    for line in [status.model_dump_json()] if as_json else lines_of(status):
        print(line, flush=True)
    for trouble in status.troubles:
        print(f"note: {trouble}", file=sys.stderr)
