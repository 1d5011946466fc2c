"""What a person sees while a cell runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from .. import hookimpl

if TYPE_CHECKING:
    import pluggy

    from ..api import Clock, Run

LINE_SECONDS = 10.0
"""Between two plain lines, where there is no terminal."""


class Pace:
    """How fast something is done, counted from where this process began with it.

    Args:
        first: How much was done when it began: what an earlier process did took this one no time.
    """

    def __init__(self, first: int) -> None:
        self.first, self.began = first, time.monotonic()

    def words(self, done: int, total: int) -> str:
        """Speed and the time left, behind a comma; nothing before anything is done."""
        seconds = time.monotonic() - self.began
        if done <= self.first or not seconds:
            return ""
        speed = (done - self.first) / seconds
        return f", {speed:.3g} a second, {timedelta(seconds=round((total - done) / speed))} left"


class Terminal:
    """Observes one cell and shows it on standard error; standard output stays for results."""

    def __init__(self, manager: pluggy.PluginManager, stop: Callable[[], bool]) -> None:
        self.manager = manager
        self.stop = stop
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[words]}"),
            console=self.console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self.task: TaskID | None = None
        self.spoken = 0.0
        self.pace: Pace | None = None

    def __enter__(self) -> Terminal:
        self.manager.register(self)
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.manager.unregister(self)
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()

    def preparing(self, done: int, total: int) -> None:
        """Show how far the raw files are read; a stop request ends the reading."""
        if self.stop():
            raise KeyboardInterrupt
        self.pace = self.pace or Pace(done)
        words = f"{done} of {total} files{self.pace.words(done, total)}"
        self._show("reading", done, total, words, always=done == total)

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        """Say where training begins."""
        for note in run.notes:
            self._say(f"note: {note}")
        if run.first_step:
            self._say(f"resuming at step {run.first_step} of {run.total_steps}")
        self.started, self.first = time.monotonic(), run.first_step
        self._show("training", run.first_step, run.total_steps, "", always=True)

    @hookimpl
    def bench_step(self, run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
        """Show losses, speed and the time left."""
        done = clock.step
        seconds = max(time.monotonic() - self.started, 1e-9)
        speed = (done - self.first) / seconds
        left = timedelta(seconds=round((run.total_steps - done) / speed))
        # The parts of a loss, called whole/part, are in the log; here a line must fit a terminal.
        whole = [f"{name} {value:.3f}" for name, value in losses.items() if "/" not in name]
        words = "  ".join(
            [
                f"step {done}/{run.total_steps}",
                f"epoch {min(clock.epoch + 1, clock.epochs)}/{clock.epochs}",
                f"{speed * run.batch_size:.0f} images/s",
                f"{left} left",
                *whole,
            ]
        )
        self._show("training", done, run.total_steps, words)

    @hookimpl
    def bench_evaluated(self, run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
        """Print the scores of an evaluation."""
        self._say(
            f"epoch {clock.epoch}: " + "  ".join(f"{name} {value:.5g}" for name, value in scores.items())
        )

    def _show(self, what: str, done: int, total: int, words: str, *, always: bool = False) -> None:
        if self.bar.disable:
            if always or time.monotonic() - self.spoken > LINE_SECONDS:
                self.spoken = time.monotonic()
                self._say(f"{what}: {words}" if words else what)
            return
        if self.task is None:
            self.task = self.bar.add_task(what, words=words)
        self.bar.update(self.task, description=what, completed=done, total=total, words=words)

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
