"""Read a data set's items in parallel processes and hand their resized slices back in order."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import DataError, Dataset
from ..processes import keep_freed_memory, obey_parent, unhurried
from . import layers

#: Starting processes takes about this many seconds: where less is saved, it is not done.
_START_UP = 1.0


class Item(NamedTuple):
    """What a reading process sends home: small arrays and rows, never a volume.

    ``layers`` holds (n, channels, side, side) by resolution and file.
    """

    name: str
    layers: dict[int, dict[str, NDArray[np.uint8]]]
    rows: list[tuple[Any, ...]]
    fault: DataError | None = None


def load(dataset: Dataset, sides: tuple[int, ...], item: str) -> Item:
    """Read one item and resize its slices as they come."""
    stacks: dict[int, dict[str, list[NDArray[np.uint8]]]] = {side: {} for side in sides}
    rows = []
    try:
        for piece in dataset.read(item):
            layers.check_slice(piece, dataset)
            square = layers.squared(piece, dataset)
            labels = layers.present(square, dataset.label_names)
            for side, stack in stacks.items():
                for file, picture in layers.resized(square, labels, side).items():
                    stack.setdefault(file, []).append(picture)
            told = piece.mode, piece.conversion, layers.named(labels, dataset.label_names)
            height, width = (piece.raw_shape or piece.pixels.shape)[:2]
            rows.append((piece.patient, piece.source, piece.index, piece.split, height, width, *told))
    except DataError as error:
        return Item(item, {}, [], error)
    except MemoryError:
        return Item(item, {}, [], DataError(f"{item} needs more memory than there is"))
    stacked = {
        side: {file: layers.stacked(pictures) for file, pictures in stack.items()}
        for side, stack in stacks.items()
    }
    return Item(item, stacked, rows)


def read_items(
    dataset: Dataset, sides: tuple[int, ...], items: Sequence[str], workers: int
) -> Generator[Item, None, None]:
    """All items in their order, with no more than a few of them in memory."""
    if not items:
        return
    read_one = partial(load, dataset, sides)
    rest = items[1:]
    started = time.perf_counter()
    first = read_one(items[0])
    saved = (time.perf_counter() - started) * len(rest) * (1.0 - 1.0 / workers)
    yield first
    if saved < _START_UP:
        yield from map(read_one, rest)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(rest)), mp_context=_context(dataset), initializer=_begin, initargs=(read_one,)
    )
    pending: deque[Future[Item]] = deque()
    try:
        for item in rest:
            with unhurried():  # the first one starts all processes
                pending.append(pool.submit(_read_one, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process that reads the raw files ended at once, or was killed for want of memory",
            hint="the same again with --workers 1; a script's calls go below `if __name__ == '__main__':`",
        ) from error
    finally:
        with (
            unhurried()
        ):  # a join that is interrupted takes its thread for ended, and then exit waits for ever
            pool.shutdown(cancel_futures=True)


def expect(dataset: Dataset) -> None:
    """Let what starts reading processes import while this process still looks through the raw files."""
    context = _context(dataset)
    if context.get_start_method() == "forkserver":
        with unhurried():
            forkserver.ensure_running()


def _context(dataset: Dataset) -> BaseContext:
    """Forking a process with threads (torch has some) can hang; a fork server starts clean, imports once."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([__name__, type(dataset).__module__])
    return context


#: How a process reads an item: given once, because a data set that knows many files is large.
_reader: Callable[[str], Item]


def _begin(reader: Callable[[str], Item]) -> None:
    global _reader
    _reader = reader
    obey_parent()
    keep_freed_memory()


def _read_one(item: str) -> Item:
    return _reader(item)
