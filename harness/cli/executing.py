"""From a grid to its end: planned, submitted or found in a queue, watched, and told what came out."""

from __future__ import annotations

import reprlib
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpecError
from .following import follow
from .options import registry
from .parting import Parting
from .stopping import StopSignal
from .user_file import executor_settings

if TYPE_CHECKING:
    from ..api.executor import Executor, Resources
    from ..grid.definition import Grid
    from ..grid.planned import GridOptions, Plan
    from ..grid.schedule import Watched


@dataclass(frozen=True)
class Means:
    """With what, and how far, a grid is to be run.

    Attributes:
        executor: Name of what computes the cells.
        settings: What the command line sets of it.
        jobs: Cells at a time, or ``auto``.
        per_device: Cells that share a GPU.
        device: Devices to use, or ``auto``.
        detach: Leave as soon as the cells are in the executor's queue.
        cancel: End the cells that are on their way, and start none.
        dry_run: List the cells, and start none.
        watch: Follow the cells that others compute, and start none.
        as_json: What is followed is printed as JSON.
    """

    executor: str
    settings: Mapping[str, Any]
    jobs: str
    per_device: int
    device: str
    detach: bool
    cancel: bool
    dry_run: bool
    watch: bool
    as_json: bool

    def execute(self, grid: Grid, options: GridOptions, results: Path, cache: Path) -> None:
        """Do it, and exit with a code that tells how it went."""
        from ..grid.known import check_known, known_or_new
        from ..grid.needs import Needs
        from ..grid.schedule import Watched
        from ..grid.standing import stand

        kind = registry().load("executors", self.executor)
        needs = Needs(kind, self.executor, executor_settings(self.executor), self.settings)
        general = needs.general()
        if self.as_json and not self.watch:
            raise SpecError("--json of cells that are run", needed="--watch", hint="bench status --json")
        if (self.detach or self.cancel) and not kind.outlives:
            raise SpecError(
                f"the cells of executor {self.executor} end with the command that started them",
                needed="an executor with a queue, such as slurm",
                hint="without --detach and --cancel",
            )
        words = "stopping: every cell saves its state; once more to stop at once"
        stop = StopSignal("" if kind.outlives or self.watch else words, raises=False)
        executor = kind(self._resources(kind, results / "logs"), general)
        nothing_starts = self.dry_run or self.cancel or self.watch
        cells_of_grid, is_known = known_or_new(grid, options, results, cache, check=not nothing_starts)
        plan = stand(cells_of_grid, results)
        cells = [Watched(cell, needs.of(grid, cell.point)) for cell in plan.cells]
        if self.dry_run:
            _list(plan, executor.slots)
        elif self.cancel:
            _cancel(executor, cells)
        elif self.watch:
            sys.exit(follow(grid.name, cells, results, stop, as_json=self.as_json))
        else:

            def check() -> None:
                if is_known:
                    check_known(cells_of_grid, grid, options, results, cache)

            sys.exit(_run(grid, cells, executor, stop, check, detach=self.detach))

    def _resources(self, kind: type[Executor], logs: Path) -> Resources:
        from ..api.executor import Resources
        from ..grid.devices import check_device, devices_here
        from ..processes import usable_cores

        if self.jobs != "auto" and not self.jobs.isdecimal():
            raise SpecError(
                f"--jobs {reprlib.repr(self.jobs)} is not a number of cells", needed="a whole number, or auto"
            )
        named = None if self.device == "auto" else self.device
        devices = [] if named is None else [named]
        if not kind.outlives:  # a queue has devices of its own
            check_device(self.device)
            devices = devices or devices_here()
        return Resources(
            devices=devices,
            cores=usable_cores(),
            jobs=None if self.jobs == "auto" else int(self.jobs),
            per_device=self.per_device,
            logs=logs,
            device=named,
        )


def _run(
    chosen: Grid,
    cells: list[Watched],
    executor: Executor,
    stop: StopSignal,
    check: Callable[[], None],
    *,
    detach: bool,
) -> int:
    """Run the cells; returns the exit code."""
    from ..grid.schedule import work
    from .exits import UNFINISHED, stopped_by
    from .watching import Display

    with Display(cells, executor.slots) as display:
        parting = Parting(stop, display.aside, outlives=executor.outlives, detach=detach)
        work(
            cells,
            executor,
            stop=parting.stops,
            leave=lambda: parting.leaves() or bool(executor.handover),
            changed=display.changed,
            tick=display.tick,
            check=check,
        )
    missing = [watched for watched in cells if watched.state not in ("done", "diverged")]
    left = [watched for watched in missing if watched.task]
    print(f"{chosen.name}: {len(cells) - len(missing)} of {len(cells)} cells are done")
    for watched in cells:
        if watched.state == "diverged":
            print(f"diverged: {watched.cell.label}: kept as a result")
    for watched in missing:
        if not watched.task:
            log = executor.resources.log_of(watched.cell.name)
            message = f" ({watched.message}; {log})" if watched.message else ""
            print(f"missing: {watched.cell.label}: {watched.state}{message}")
    if executor.handover:
        print(f"written, and to be started by you: {len(left)} cells")
        print(executor.handover)
    elif left:
        print(f"left in the queue: {len(left)} cells; the same command finds them, --cancel ends them")
    if missing:
        print(f"to finish: {shlex.join(['bench', *sys.argv[1:]])}")
    if stop.count:
        return stopped_by(stop.number)
    return UNFINISHED if len(missing) > len(left) else 0


def _cancel(executor: Executor, cells: list[Watched]) -> None:
    """End the cells that are on their way; those that run save their state."""
    found = executor.attach({watched.cell.name for watched in cells})
    executor.stop(list(found.values()), now=False)
    print(f"asked to end: {len(found)} cells, which save their state; nothing else was on its way")


def _list(plan: Plan, slots: int | None) -> None:
    from ..grid.schedule import Watched
    from ..grid.status import cell_status
    from .catalogue import print_columns
    from .watching import left_of

    print_columns(
        [
            ("cell", "standing", "folder", ""),
            *((c.label, c.standing, c.name, c.message) for c in plan.cells),
        ]
    )
    done = sum(cell.standing in ("done", "diverged") for cell in plan.cells)
    cells = [cell_status(Watched(cell)) for cell in plan.cells if cell.standing not in ("done", "diverged")]
    at_a_time = f"; {slots} at a time" if slots is not None else ""
    left = left_of(cells, slots)
    print(f"{len(plan.cells)} cells, {done} done{at_a_time}", end="")
    print(f"; {left}" if left else "; no estimate: nothing like these was timed here" if cells else "")
