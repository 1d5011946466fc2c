"""Work that is spread over processes: in order, whoever does it, and in one process where nobody asked."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys

import pytest

from harness import spreading
from harness.errors import DataError
from harness.processes import deaf
from harness.spreading import spread, spread_over


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "_start_up", lambda: 0.0)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 23])
@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("processes", [1, 2])
def test_results_are_in_the_order_of_the_items(count: int, chunk: int, processes: int) -> None:
    with spread_over(processes, ()):
        assert list(spread(float, range(count), chunk=chunk)) == [float(number) for number in range(count)]


def test_other_processes_work_only_where_somebody_said_how_many() -> None:
    # What is called says in which process; the first item is timed in this one.
    here, *others = _where()
    assert {here, *others} == {os.getpid()}
    with spread_over(2, ()):
        here, *others = _where()
    assert here == os.getpid()
    assert os.getpid() not in others
    assert set(_where()) == {os.getpid()}


def _where() -> list[int]:
    return list(spread(operator.call, [os.getpid] * 6))


def test_what_goes_wrong_in_another_process_is_raised_here() -> None:
    with spread_over(2, ()), pytest.raises(ValueError, match="could not convert"):
        list(spread(float, ["1", "2", "a grey", "4"]))


def test_a_process_that_is_killed_is_told() -> None:
    with spread_over(2, ()), pytest.raises(DataError, match="ended at once, or was killed"):
        list(spread(operator.call, [os.getpid, os.abort]))


def test_what_starts_processes_never_hears_ctrl_c_and_this_one_hears_it_later() -> None:
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with deaf():
            signal.raise_signal(signal.SIGINT)
            assert subprocess.check_output([sys.executable, "-S", "-c", code], text=True) == "True\n"
            assert not heard
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
    assert subprocess.check_output([sys.executable, "-S", "-c", code], text=True) == "False\n"
