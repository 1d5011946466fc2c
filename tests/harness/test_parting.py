"""What a grid does with cells in a queue of their own when somebody asks it to end."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import nullcontext

import pytest

from harness.cli.parting import QUESTION, Parting
from harness.cli.stopping import StopSignal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def asked(number: signal.Signals = signal.SIGINT, *, outlives: bool = True) -> Parting:
    with StopSignal("", raises=False) as stop:
        signal.raise_signal(number)
    return Parting(stop, nullcontext, outlives=outlives, detach=False)


@pytest.mark.parametrize(
    ("answer", "stops", "leaves"), [("l", 0, True), ("e", 1, False), ("w", 0, False), ("", 0, True)]
)
def test_somebody_at_a_terminal_is_asked(
    monkeypatch: pytest.MonkeyPatch, answer: str, stops: int, leaves: bool
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    parting = asked()
    assert (parting.stops(), parting.leaves()) == (stops, leaves)
    assert QUESTION in screen.getvalue()
    # Asked once, and no more until there is another request.
    assert (parting.stops(), parting.leaves()) == (stops, leaves)
    assert screen.getvalue().count(QUESTION) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_elsewhere_cells_are_left_without_a_question(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    parting = asked(number)
    assert (parting.stops(), parting.leaves()) == (0, True)


def test_who_asks_again_after_ending_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("e\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    parting = asked()
    assert parting.stops() == 1
    parting.stop.count += 1
    assert parting.stops() == 2


def test_cells_that_end_with_the_grid_are_stopped() -> None:
    parting = asked(outlives=False)
    assert (parting.stops(), parting.leaves()) == (1, False)
