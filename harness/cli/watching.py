"""What a person sees while a grid runs: a live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ..grid.schedule import Watched
from ..grid.status import CellStatus, GridStatus, cell_status, time_left

REFRESH_SECONDS = 1.0
LINE_SECONDS = 60.0
"""Between two summaries, where there is no terminal."""
SHOWN_WAITING = 5


class Display:
    """Shows the cells of a grid on standard error."""

    def __init__(self, cells: Sequence[Watched], slots: int | None, *, silent: bool = False) -> None:
        self.cells = cells
        self.slots = slots
        self.silent = silent
        self.live = (
            Live(console=Console(stderr=True), auto_refresh=False)
            if sys.stderr.isatty() and not silent
            else None
        )
        self.spoken = time.monotonic()
        self.over = {watched.cell.name for watched in cells if watched.is_over}

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
        # Kept, and not counted anew: ten thousand cells may change at once.
        (self.over.add if watched.is_over else self.over.discard)(watched.cell.name)
        if not self.live:
            words = f" ({watched.message})" if watched.message else ""
            self._say(f"[{len(self.over)}/{len(self.cells)}] {watched.cell.label}: {watched.state}{words}")

    def tick(self) -> None:
        """Refresh what is shown, now and then."""
        now = time.monotonic()
        if self.live and now - self.spoken > REFRESH_SECONDS:
            self.spoken = now
            self.live.update(self._table(), refresh=True)
        elif not self.live and now - self.spoken > LINE_SECONDS:
            self.spoken = now
            self._say(_summary(self._statuses(), self.slots))

    def _say(self, line: str) -> None:
        if not self.silent:
            print(line, file=sys.stderr, flush=True)

    def _statuses(self) -> list[CellStatus]:
        return [cell_status(watched) for watched in self.cells]

    def _table(self) -> Table:
        cells = self._statuses()
        table = Table(caption=_summary(cells, self.slots), caption_justify="left", expand=True)
        for head in ("cell", "state", "epoch", "losses", "left"):
            table.add_column(head, overflow="ellipsis", no_wrap=True)
        for one in _worth_a_row(cells):
            table.add_row(*_row(one))
        return table


def lines_of(status: GridStatus) -> list[str]:
    """A status in plain lines: what moves or went wrong, and how many are what."""
    shown = _worth_a_row(status.cells)
    lines = [
        "  ".join(filter(None, [label, state, epoch and f"epoch {epoch}", words, left and f"{left} left"]))
        for label, state, epoch, words, left in map(_row, shown)
    ]
    return [*lines, _summary(status.cells, None)]


def _worth_a_row(cells: Sequence[CellStatus]) -> list[CellStatus]:
    """A terminal has a few dozen lines: what moves or went wrong comes first."""
    told = [one for one in cells if one.state in ("running", "elsewhere", "failed", "stopped", "diverged")]
    return told + [one for one in cells if one.state in ("queued", "waiting")][:SHOWN_WAITING]


def _summary(cells: Sequence[CellStatus], slots: int | None) -> str:
    counts = Counter(one.state for one in cells)
    left = left_of(cells, slots)
    seconds, _ = time_left(cells, slots)
    ends = datetime.now().astimezone() + timedelta(seconds=seconds or 0)
    until = f"until {ends:%Y-%m-%d %H:%M}" if left else ""
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no cells"
    return "; ".join(filter(None, [told, left, until]))


def _row(one: CellStatus) -> tuple[str, str, str, str, str]:
    state = f"{one.state} ({one.message})" if one.state == "running" and one.message else one.state
    words = losses_of(one) if one.state == "running" else one.message
    return one.label, state, epoch_of(one), words, time_of(one.seconds_left or None)


def epoch_of(one: CellStatus) -> str:
    """In which epoch of how many a cell is; empty where it is in none."""
    if one.epoch is None:
        return ""
    return f"{one.epoch}/{one.epochs}" if one.epochs is not None else str(one.epoch)


def losses_of(one: CellStatus) -> str:
    """Its last losses; the parts of one, called whole/part, are in the log."""
    return "  ".join(f"{name} {value:.3g}" for name, value in one.losses.items() if "/" not in name)


def left_of(cells: Sequence[CellStatus], slots: int | None) -> str:
    """How long all cells will take on so many slots, in words; empty where nothing is known."""
    seconds, unknown = time_left(cells, slots)
    if not seconds:
        return ""
    return f"about {time_of(seconds)} left" + (f" without {unknown} of unknown length" if unknown else "")


def time_of(seconds: float | None) -> str:
    """A time in words; empty where nobody knows it."""
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))
