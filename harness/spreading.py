"""The same work on many files, in several processes and in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from .errors import DataError
from .freed_memory import keep_medium_blocks
from .processes import deaf, obey_parent, unhurried

T = TypeVar("T")
R = TypeVar("R")

#: Starting processes takes about this many seconds, and most of it once: where less is saved, it is not done.
_START_UP, _ONE_MORE = 1.0, 0.1

#: When the fork server was started, by a clock that only goes forward.
_expected: float | None = None

_processes: ContextVar[int] = ContextVar("processes that work is spread over", default=1)


@contextlib.contextmanager
def spread_over(processes: int, modules: Sequence[str]) -> Iterator[None]:
    """Let all work that is spread meanwhile use so many processes, which find these modules imported."""
    before = _processes.set(processes)
    if processes > 1 and _context().get_start_method() == "forkserver":
        # Once, by what starts the others: importing pydicom takes a third of a second. Each of them runs the
        # beginning of the program again, of which the command line is the greater part.
        program = [name for name in ("harness.cli",) if name in sys.modules]
        _context().set_forkserver_preload([__name__, *modules, *program])
    try:
        yield
    finally:
        _processes.reset(before)


def expect() -> None:
    """Let what starts processes import while this process still does something else."""
    global _expected
    if _processes.get() > 1 and _context().get_start_method() == "forkserver":
        with unhurried():
            resource_tracker.ensure_running()  # before, since it ends a deafness
            with deaf():
                forkserver.ensure_running()
        _expected = _expected or time.monotonic()


def spread(work: Callable[[T], R], items: Sequence[T], *, chunk: int = 1) -> Generator[R, None, None]:
    """Results in the order of ``items``, with no more than a few of them in memory.

    One process does it alone where starting others takes longer, or outside of a preparation.

    Args:
        work: Sent to each process once; it and its results can be pickled.
        items: What it is called with.
        chunk: How many items a process gets at once: several, where each takes less than 10 ms.

    Raises:
        DataError: A process ended at once, or was killed; whatever ``work`` raises.
    """
    processes = _processes.get()
    first, rest = items[:chunk], items[chunk:]
    started = time.monotonic()
    results = [work(item) for item in first]
    saved = (time.monotonic() - started) / max(len(first), 1) * len(rest) * (1.0 - 1.0 / processes)
    yield from results
    if saved <= _start_up():
        yield from map(work, rest)
    else:
        chunks = [rest[start : start + chunk] for start in range(0, len(rest), chunk)]
        yield from _spread(work, chunks, min(processes, len(chunks)))


def _spread(
    work: Callable[[T], R], chunks: Sequence[Sequence[T]], processes: int
) -> Generator[R, None, None]:
    expect()  # or the first item would, and what starts then would hear Ctrl-C
    pool = ProcessPoolExecutor(processes, mp_context=_context(), initializer=_begin, initargs=(work,))
    pending: deque[Future[list[R]]] = deque()
    try:
        for chunk in chunks:
            with unhurried():  # any of them may start a process
                pending.append(pool.submit(_work_on, chunk))
            if len(pending) >= 2 * processes:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process that reads the raw files ended at once, or was killed for want of memory",
            hint="the same again with --workers 1; a script's calls go below `if __name__ == '__main__':`",
        ) from error
    finally:
        # A join that is interrupted takes its thread for ended, and then exit waits for ever.
        with unhurried():
            pool.shutdown(cancel_futures=True)


def _start_up() -> float:
    """Seconds that it would take to start processes now."""
    left = _START_UP if _expected is None else max(0.0, _expected + _START_UP - time.monotonic())
    return left + _ONE_MORE


def _context() -> BaseContext:
    """Forking a process with threads (torch has some) can hang; a fork server starts clean, imports once."""
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")


#: What a process does: given once, because a data set that knows many files is large.
_work: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    obey_parent()
    keep_medium_blocks()  # clearing new memory was a third of the time of reading small files


def _work_on(chunk: Sequence[Any]) -> list[Any]:
    return [_work(item) for item in chunk]
