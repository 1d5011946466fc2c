"""What a person sees while a grid runs: a live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ..cell.logs import last_losses
from ..grid.schedule import Watched

REFRESH_SECONDS = 1.0
LINE_SECONDS = 60.0
"""Between two summaries, where there is no terminal."""
SHOWN_WAITING = 5


class Display:
    """Shows the cells of a grid on standard error."""

    def __init__(self, cells: Sequence[Watched], slots: int | None) -> None:
        self.cells = cells
        self.slots = slots
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False) if sys.stderr.isatty() else None
        self.spoken = time.monotonic()

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self.live:
            self.live.update(self._table(), refresh=True)
            self.live.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Show nothing while somebody is asked a question."""
        if self.live:
            self.live.stop()
        yield
        if self.live:
            self.live.start()

    def changed(self, watched: Watched) -> None:
        """Tell a change of state."""
        if not self.live:
            over = sum(one.is_over for one in self.cells)
            words = f" ({watched.message})" if watched.message else ""
            self._say(f"[{over}/{len(self.cells)}] {watched.cell.label}: {watched.state}{words}")

    def tick(self) -> None:
        """Refresh what is shown, now and then."""
        now = time.monotonic()
        if self.live and now - self.spoken > REFRESH_SECONDS:
            self.spoken = now
            self.live.update(self._table(), refresh=True)
        elif not self.live and now - self.spoken > LINE_SECONDS:
            self.spoken = now
            self._say(self._summary())

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _summary(self) -> str:
        counts = Counter(watched.state for watched in self.cells)
        left = time_left(self.cells, self.slots)
        return ", ".join(f"{count} {state}" for state, count in counts.items()) + (
            f"; about {left} left" if left else ""
        )

    def _table(self) -> Table:
        table = Table(caption=self._summary(), caption_justify="left", expand=True)
        for head in ("cell", "state", "epoch", "losses", "left"):
            table.add_column(head, overflow="ellipsis", no_wrap=True)
        waiting = [watched for watched in self.cells if watched.state == "waiting"]
        # A terminal has a few dozen lines: what moves or went wrong comes first.
        for watched in self.cells:
            if watched.state in ("running", "elsewhere", "failed", "diverged"):
                table.add_row(*_row(watched))
        for watched in waiting[:SHOWN_WAITING]:
            table.add_row(*_row(watched))
        return table


def _row(watched: Watched) -> tuple[str, str, str, str, str]:
    if watched.state not in ("running", "elsewhere"):
        return watched.cell.label, watched.state, "", watched.message, ""
    last = last_losses(watched.cell.folder / "log.jsonl")
    if last is None:
        return watched.cell.label, watched.state, "", "", ""
    left = cell_left(watched)
    losses = "  ".join(f"{name} {value:.3g}" for name, value in last["losses"].items() if "/" not in name)
    epochs = watched.cell.epochs
    epoch = f"{last['epoch'] + 1}" if epochs is None else f"{min(last['epoch'] + 1, epochs)}/{epochs}"
    return watched.cell.label, watched.state, epoch, losses, _duration(left) if left is not None else ""


def cell_left(watched: Watched) -> float | None:
    """Seconds that are left for a cell, from its plan and the time it has been running."""
    if watched.cell.seconds is None:
        return None
    spent = time.monotonic() - watched.since if watched.state == "running" else 0.0
    return max(0.0, watched.cell.seconds - spent)


def time_left(cells: Sequence[Watched], slots: int | None) -> str:
    """How long all cells will take on so many slots; empty where nothing is known.

    Without a number of slots, it is as many as run just now.
    """
    if slots is None:
        slots = sum(watched.state == "running" for watched in cells)
        if not slots:
            return ""
    open_cells = [watched for watched in cells if not watched.is_over]
    known = [seconds for watched in open_cells if (seconds := cell_left(watched)) is not None]
    if not known:
        return ""
    unknown = len(open_cells) - len(known)
    return _duration(sum(known) / slots) + (f" without {unknown} of unknown length" if unknown else "")


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
