"""Processes: on how many cores, and what those that help this one do when it is stopped or gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator


def obey_parent() -> None:
    """Leave a terminal's signals to whoever started this process, and die with it."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def usable_cores() -> int:
    """Cores that this process may run on, which in a container or a batch job is not all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Hold back what asks this process to stop until its block is through.

    A process that starts others and is stopped halfway leaves some behind that it does not know: they go on
    to find it gone, and tell of that in tracebacks.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main one hears of signals
        yield
        return
    asked: list[int] = []
    before = {number: signal.signal(number, lambda number, _: asked.append(number)) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for heard in asked:
            signal.raise_signal(heard)


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Start processes that never hear Ctrl-C, not even before they can say so; this one hears it then."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heard() -> list[signal.Signals]:
    """The signals that would stop this process, or that it has an answer to."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    return [number for number in known if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
