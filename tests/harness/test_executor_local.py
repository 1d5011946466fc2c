"""The executor of this machine: slots, threads, and what a process said."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.api import Ended, Job, Resources
from harness.cli.cell import end_with
from harness.errors import SpecError
from harness.grid.executors.local import Local, Process


def resources(tmp_path: Path, **values: Any) -> Resources:
    given: dict[str, Any] = {"devices": ["cpu"], "cores": 8, "jobs": None, "per_device": 1}
    return Resources(**{**given, **values}, logs=tmp_path)


@pytest.mark.parametrize(
    ("values", "places", "threads"),
    [
        ({}, ["cpu"] * 4, 2),
        ({"cores": 1}, ["cpu"], 1),
        ({"jobs": 8}, ["cpu"] * 8, 1),
        ({"jobs": 1}, ["cpu"], 8),
        ({"devices": ["cuda:0", "cuda:1"]}, ["cuda:0", "cuda:1"], 4),
        ({"devices": ["cuda:0", "cuda:1"], "per_device": 2}, ["cuda:0", "cuda:1", "cuda:0", "cuda:1"], 2),
        ({"devices": ["cuda:0"], "jobs": 3}, ["cuda:0"] * 3, 2),
    ],
)
def test_slots_and_threads(tmp_path: Path, values: dict[str, Any], places: list[str], threads: int) -> None:
    local = Local(resources(tmp_path, **values))
    assert local.places == places
    assert local.slots == len(places)
    assert local.threads == threads


def test_no_slot_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no slot"):
        Local(resources(tmp_path, jobs=0))


def test_a_process_tells_of_its_own_attempt_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.txt"
    log.write_text("error: of an earlier attempt\n")
    process = Process(Job("a", ("cell", "no JSON")), "cpu", 1, log)
    deadline = time.monotonic() + 60
    while (ended := process.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ended.message == "exit 2: 'no JSON' is no cell of a grid"
    assert log.read_text().startswith("error: of an earlier attempt\n")
    log.unlink()
    assert process.poll() == Ended(2, "exit 2")


def test_a_cell_ends_with_whoever_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))
    read, write = os.pipe()
    watcher = threading.Thread(target=end_with, args=(read,))
    watcher.start()
    os.write(write, b"words are no end")
    watcher.join(0.1)
    assert (watcher.is_alive(), killed) == (True, [])
    os.close(write)
    watcher.join(10)
    os.close(read)
    assert killed == [(os.getpid(), signal.SIGTERM)]
