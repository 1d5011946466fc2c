"""Telling observers, none of which can condemn the cell that it watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pluggy

from ..api import Clock, Run


class Observers:
    """Everybody who watches a cell, called one by one.

    One that raises is named once, and left out for the rest of the cell.

    Args:
        manager: Where observers are registered.
        tell: Told about an observer that raised, in one sentence.
    """

    def __init__(self, manager: pluggy.PluginManager, tell: Callable[[str], None]) -> None:
        self.manager = manager
        self.tell = tell
        self._left_out: set[str] = set()

    def run_started(self, run: Run) -> None:
        """Call ``bench_run_started``."""
        self._call("bench_run_started", run=run)

    def step(self, run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
        """Call ``bench_step``."""
        self._call("bench_step", run=run, clock=clock, losses=losses)

    def evaluated(self, run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
        """Call ``bench_evaluated``."""
        self._call("bench_evaluated", run=run, clock=clock, scores=scores)

    def run_finished(self, run: Run, record: Mapping[str, Any]) -> None:
        """Call ``bench_run_finished``."""
        self._call("bench_run_finished", run=run, record=record)

    def _call(self, hook: str, **values: Any) -> None:
        # Not all at once through pluggy: there, the first one that raises keeps the others from being called.
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            name = implementation.plugin_name
            if name in self._left_out:
                continue
            try:
                implementation.function(**{name: values[name] for name in implementation.argnames})
            except (Exception, SystemExit) as error:
                self._left_out.add(name)
                self.tell(
                    f"observer {name} raised {type(error).__name__} in {hook}: {error}; "
                    "it is left out for the rest of this cell"
                )
