"""Planning in a process of its own.

Making a plan needs the plugins and torch, which take 500 MB. A process that only watches cells has a
helper do it, and keeps what comes back.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ..errors import BenchError
from ..processes import obey_parent
from .definition import Grid
from .planned import GridOptions, Plan


def plan_in_helper(grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool) -> Plan:
    """``harness.grid.plan.make_plan`` in a process of its own, which is gone afterwards.

    Raises:
        BenchError: As ``make_plan``, or the helper was killed.
    """
    # Not forked: a fresh interpreter holds nothing of this one, and is the same on every system.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=obey_parent) as helper:
            return helper.submit(_plan, grid, options, results, cache, check).result()
    except BrokenProcessPool as error:
        raise BenchError(
            "the process that plans the grid was killed, probably for want of memory",
            needed="about 1 GB of memory",
            hint="the same command again",
        ) from error


def _plan(grid: Grid, options: GridOptions, results: Path, cache: Path, check: bool) -> Plan:
    from .plan import make_plan

    return make_plan(grid, options, results, cache, check=check)
