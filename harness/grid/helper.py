"""Work that needs torch, in a process of its own: who only watches cells does without its 500 MB."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

from ..errors import BenchError
from ..processes import obey_parent
from .definition import Grid
from .planned import GridOptions, Identified

P = ParamSpec("P")
R = TypeVar("R")


def in_helper(work: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """What ``work`` returns, called in a process of its own, which is gone afterwards.

    Raises:
        BenchError: As ``work``, or the helper was killed.
    """
    # Not forked: a fresh interpreter holds nothing of this one, and is the same on every system.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=obey_parent) as helper:
            return helper.submit(work, *arguments, **options).result()
    except BrokenProcessPool as error:
        raise BenchError(
            "the process that plans the grid was killed, probably for want of memory",
            needed="about 1 GB of memory",
            hint="the same command again",
        ) from error


def identify(grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool) -> Identified:
    """``harness.grid.plan.identify``, imported when it is called."""
    from .plan import identify

    return identify(grid, options, results, cache, check=check)
