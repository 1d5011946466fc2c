"""Processes that are killed, hung up, or work on the same cell: who is told what."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from harness.cell.records import Store
from harness.claims import HOLDER, claimed, holder_of
from harness.cli.stopping import StopSignal
from harness.errors import BenchError, BusyError
from harness.grid import helper
from harness.grid.definition import load_grid
from harness.grid.known import known_or_new
from harness.grid.planned import GridOptions
from harness.processes import unhurried
from harness.running.cell import Outcome

Run = Callable[..., Outcome]


def test_who_holds_a_cell_is_named(run_tiny: Run) -> None:
    folder = run_tiny().folder
    assert not (folder.path / HOLDER).exists(), "nobody holds a cell that is done"
    folder.record.unlink()
    words = rf"process {os.getpid()} of this machine \(job slurm:7_3\) is"
    with claimed(folder.path, job="slurm:7_3"), pytest.raises(BusyError, match=words):
        run_tiny()


def test_a_holder_whose_starter_is_gone_is_told_so(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / HOLDER).write_text(
        f'{{"pid": 7, "host": "{socket.gethostname()}", "started_by": {gone.pid}}}'
    )
    assert holder_of(tmp_path) == "process 7 of this machine, which goes on although what started it is gone"


@pytest.mark.parametrize("content", [b"", b"\xff", b"5", b"{}", b"[" * 5000, b'{"pid": "x"}'])
def test_a_damaged_name_of_a_holder_is_no_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / HOLDER).write_bytes(content)
    assert holder_of(tmp_path) == "another process"


def test_a_planner_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __init__(self, **_: object) -> None: ...
        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *_: object) -> None: ...
        def submit(self, *_: object, **__: object) -> None:
            raise BrokenProcessPool

    monkeypatch.setattr(helper, "ProcessPoolExecutor", Dying)
    with pytest.raises(BenchError, match="was killed"):
        known_or_new(load_grid("table2"), GridOptions(), tmp_path, tmp_path, check=False)


HELPER_OF_A_PARENT = """
import multiprocessing, os, sys, time
from harness.processes import obey_parent

def work():
    obey_parent()
    print(os.getpid(), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work).start()
    time.sleep(60)
"""


def test_a_helper_dies_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(HELPER_OF_A_PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is over and that nobody asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_that_hangs_up_asks_as_sigterm_does(number: signal.Signals) -> None:
    # The tests themselves may run under nohup, which has hang-ups ignored.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), number)
            assert stop()
            assert stop.number == number
    finally:
        signal.signal(number, before)


def test_who_asked_not_to_hear_of_hangups_does_not() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_lock_that_can_not_be_taken_is_told_and_not_raised(run_tiny: Run, tmp_path: Path) -> None:
    folder = run_tiny().folder
    folder.record.unlink()
    folder.lock.unlink(missing_ok=True)
    folder.lock.mkdir()
    with pytest.raises(BenchError, match="can't be locked") as caught:
        run_tiny()
    assert caught.value.hint == f"mv {folder.lock} {folder.lock}.aside"
    assert Store(tmp_path / "results").folders()


def test_who_starts_processes_is_stopped_afterwards(request: pytest.FixtureRequest) -> None:
    # Under nohup, or after another test, the handler may be any.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    through = False
    with pytest.raises(KeyboardInterrupt), unhurried():
        signal.raise_signal(signal.SIGINT)
        through = True
    assert through
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
