"""How long some functions of a program take while it runs."""

from __future__ import annotations

import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """Seconds of one call.

    Attributes:
        wall: That passed.
        cpu: Of the processor, by all threads of the process.
    """

    wall: float
    cpu: float


class Watch:
    """Calls of watched functions.

    Attributes:
        calls: What each call took, by the name under which its function is watched.
    """

    def __init__(self) -> None:
        self.calls: dict[str, list[Taken]] = defaultdict(list)

    def total(self, name: str, kind: str = "wall") -> float:
        """Seconds of all calls."""
        return sum(getattr(taken, kind) for taken in self.calls[name])

    def median(self, name: str, kind: str = "wall", *, of: slice | None = None) -> float:
        """Seconds of one of these calls; 0 if there was none."""
        seconds = [getattr(taken, kind) for taken in self.calls[name][of or slice(None)]]
        return statistics.median(seconds) if seconds else 0.0

    def on(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched."""

        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.calls[name].append(Taken(time.perf_counter() - wall, time.process_time() - cpu))

        return watched


@contextmanager
def watching(places: Mapping[str, tuple[Any, str]]) -> Iterator[Watch]:
    """Watch functions for a while.

    Args:
        places: By the name under which a function is watched: what it is an attribute of, and its name there.
    """
    watch = Watch()
    before = {name: getattr(owner, attribute) for name, (owner, attribute) in places.items()}
    for name, (owner, attribute) in places.items():
        setattr(owner, attribute, watch.on(name, before[name]))
    try:
        yield watch
    finally:
        for name, (owner, attribute) in places.items():
            setattr(owner, attribute, before[name])
