"""Where long work can be cut: loops look up here, and whoever wants them to end is heard.

Who runs a cell says so once, ``with heeding(stop)``; the loops below know no cell, and call ``look``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .errors import Interrupted

_stop: ContextVar[Callable[[], bool] | None] = ContextVar("stop", default=None)


@contextmanager
def heeding(stop: Callable[[], bool]) -> Iterator[None]:
    """Have ``look`` ask ``stop`` for as long as the context lasts."""
    before = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(before)


def look() -> None:
    """Go on, unless somebody asked to stop.

    Raises:
        Interrupted: Somebody did.
    """
    stop = _stop.get()
    if stop is not None and stop():
        raise Interrupted
