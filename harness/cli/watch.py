"""``bench watch``: losses and scores of one run as small plots, while it runs or afterwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import RESULTS, Results, registry, runs_to_type

if TYPE_CHECKING:
    from ..cell.logs import Line
    from ..cell.records import RunFolder


def watch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run: its folder, or the start of its name.",
            autocompletion=runs_to_type,
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    results: Results = RESULTS,
) -> None:
    """Plot losses and scores of a run in the terminal, with the time left, until it is done."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from ..cell.records import Store

    registry()
    folder = Store(results).find(name)
    console = Console(highlight=False)
    looks = Looks(folder)
    if once or not console.is_terminal:
        console.print(Text("\n".join(looks.look(console.width))), soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(Text("\n".join(looks.look(console.width))), refresh=True)
            if looks.is_done:
                return
            time.sleep(every)


class Looks:
    """What is seen of a run, look by look: how fast it goes is told from two of them."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.epochs = folder.read_spec().protocol.epochs
        self.is_done = False
        self._first: tuple[float, float] | None = None

    def look(self, width: int) -> list[str]:
        """The lines of a look."""
        from ..cell.logs import read_log

        lines = read_log(self.folder.log)
        record = self.folder.read_record()
        self.is_done = record is not None
        state = record.status if record is not None else self._left(lines)
        told = [f"{self.folder.path.name}: {state}"]
        for kind, unit in (("scores", "epoch"), ("losses", "step")):
            told += _plots(lines, kind, unit, max(min(width - 14, 100), 10))
        return told

    def _left(self, lines: Sequence[Line]) -> str:
        """How far it is, and how long the rest takes at the pace since the first look."""
        scored = [line for line in lines if "scores" in line and line["epoch"]]
        if not lines:
            return "no step yet"
        last = lines[-1]
        # Steps of an epoch are known from an evaluation, at the end of one.
        share = last["epoch"] / self.epochs
        if scored:
            share = last["step"] / (scored[-1]["step"] / scored[-1]["epoch"] * self.epochs)
        now = time.monotonic()
        if self._first is None:
            self._first = (now, share)
        began, before = self._first
        words = f"step {last['step']}, epoch {last['epoch']} of {self.epochs}"
        if share <= before:
            return words
        left = timedelta(seconds=round((1 - share) * (now - began) / (share - before)))
        return f"{words}, {left} left at this pace"


def _plots(lines: Sequence[Line], kind: str, unit: str, width: int) -> list[str]:
    from ..views.terminal_plot import plot

    series: dict[str, list[tuple[Any, float]]] = {}
    for line in lines:
        for name, value in line.get(kind, {}).items():
            # A loss with a slash is a part of another one.
            if "/" not in name or kind == "scores":
                series.setdefault(name, []).append((line[unit], value))
    told = []
    for name, points in series.items():
        told += ["", f"{name} by {unit}, {points[-1][1]:.4g} at {points[-1][0]}", *plot(points, width=width)]
    return told
