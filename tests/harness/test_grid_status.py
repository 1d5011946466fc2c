"""What anybody sees of cells that others compute: where they are, how far, and when they may be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scripted import Scripted, Told, cell, finish

from harness import claims, cli, holders
from harness.api import Executor, JobState, SubmittedJob
from harness.claims import HOLDER, claimed
from harness.cli import following
from harness.cli.answers import schema_file
from harness.cli.following import follow
from harness.cli.stopping import StopSignal
from harness.cli.watching import Display, lines_of
from harness.errors import BenchError
from harness.grid import lookout as looking
from harness.grid.lookout import Lookout
from harness.grid.schedule import Watched
from harness.grid.status import status_of
from harness.running.cell import Outcome
from harness.running.sessions import FILE


class Queue(Scripted):
    """Knows of cells that wait and run elsewhere."""

    outlives = True

    def __init__(self, states: dict[str, JobState]) -> None:
        super().__init__(0, {})
        self.states = states
        self.asked = 0

    def attach(self, names: Collection[str]) -> dict[str, SubmittedJob]:
        self.asked += 1
        return {name: At(state) for name, state in self.states.items() if name in names}


class At(Told):
    def __init__(self, state: JobState) -> None:
        self.state = state

    def poll(self) -> None: ...

    def stop(self, *, now: bool) -> None: ...


def seen(tmp_path: Path, *cells: Watched, **queues: Executor[Any]) -> dict[str, tuple[str, str]]:
    Lookout(cells, queues, tmp_path / "logs").look()
    return {one.cell.name: (one.state, one.message) for one in cells}


def session(folder: Path, **ended: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"session": "1", "began": "then", "host": "n1"}, *([{"session": "1", **ended}] if ended else [])]
    (folder / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_where_cells_stand_is_told_by_their_folders(tmp_path: Path) -> None:
    names = ("done", "diverged", "failed", "killed", "saved", "raised", "refused", "new", "damaged")
    cells = [cell(tmp_path, name) for name in names]
    for status in ("done", "diverged", "failed"):
        finish(tmp_path / status, "complete" if status == "done" else status)  # type: ignore[arg-type]
    session(tmp_path / "killed")
    session(tmp_path / "saved", ended="saved on request")
    session(tmp_path / "raised", ended="StorageError")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "record.json").write_text("{")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "raised.txt").write_text("note: nothing\nerror: the disk is full\n  try: df\n")
    (tmp_path / "logs" / "refused.txt").write_text("error: there is no device cuda:9\n")
    states = seen(tmp_path, *cells)
    assert states["failed"][0] == "failed"
    assert states["damaged"][0] == "failed"
    assert "record.json is damaged, or of another edition" in states["damaged"][1]
    del states["failed"], states["damaged"]
    assert states == {
        "done": ("done", ""),
        "diverged": ("diverged", ""),
        "killed": ("stopped", "killed"),
        "saved": ("stopped", "saved on request"),
        "raised": ("failed", "StorageError: the disk is full"),
        "refused": ("failed", "there is no device cuda:9"),
        "new": ("waiting", ""),
    }


def test_whoever_holds_a_cell_runs_it_and_is_not_held_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "FileLock", None)  # it would be taken for a moment
    with claimed(tmp_path / "a", job="slurm:7_1"):
        (state, where) = seen(tmp_path, cell(tmp_path, "a"))["a"]
    assert state == "running"
    assert where == f"process {os.getpid()} of this machine (job slurm:7_1)"
    assert seen(tmp_path, cell(tmp_path, "a"))["a"] == ("waiting", "")


def test_a_machine_that_died_is_known_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.2)
    session(tmp_path / "a")
    (tmp_path / "a" / ".lease").write_text("token=1")
    (tmp_path / "a" / HOLDER).write_text(json.dumps({"pid": 7, "host": "n9", "started_by": 1}))
    one = cell(tmp_path, "a")
    lookout = Lookout([one], {}, tmp_path)
    lookout.look()
    assert (one.state, one.message, lookout.is_sure) == ("running", "process 7 on n9", False)
    os.utime(tmp_path / "a" / ".lease")
    lookout.look()
    assert (one.state, lookout.is_sure) == ("running", True)
    time.sleep(0.25)
    lookout.look()
    assert (one.state, one.message, lookout.is_sure) == ("stopped", "killed", True)


def test_a_process_of_this_machine_that_is_gone_is_known_at_once(tmp_path: Path) -> None:
    session(tmp_path / "a")
    (tmp_path / "a" / ".lease").write_text("token=1")
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "a" / HOLDER).write_text(json.dumps({"pid": gone.pid, "host": claims.socket.gethostname()}))
    assert seen(tmp_path, cell(tmp_path, "a"))["a"] == ("stopped", "killed")


def test_a_queue_tells_of_what_has_not_begun_and_is_asked_seldom(tmp_path: Path) -> None:
    queue = Queue({"a": JobState("queued"), "b": JobState("running", "n2")})
    cells = [cell(tmp_path, name) for name in "abc"]
    lookout = Lookout(cells, {"mine": queue}, tmp_path)
    for _ in range(5):
        lookout.look()
    assert [(one.state, one.message) for one in cells] == [("queued", ""), ("running", "n2"), ("waiting", "")]
    assert queue.asked == 1, "within ten seconds"
    lookout._asked -= looking.ASK_SECONDS
    queue.states = {}
    lookout.look()
    assert (queue.asked, [one.state for one in cells]) == (2, ["waiting"] * 3)


def test_a_queue_that_cant_be_asked_is_named_and_nothing_stops(tmp_path: Path) -> None:
    class Silent(Queue):
        def attach(self, names: Collection[str]) -> dict[str, SubmittedJob]:
            raise BenchError("there is no squeue here")

    finish(tmp_path / "a")
    one = cell(tmp_path, "a")
    lookout = Lookout([one], {"slurm": Silent({})}, tmp_path, ["known before"])
    lookout.look()
    assert one.state == "done"
    assert lookout.troubles == [
        "known before", "the queue of executor slurm can't be asked from here: there is no squeue here",
    ]  # fmt: skip


def trained(folder: Path, epoch: int, *, seconds: float = 0.0) -> None:
    """A cell that runs, in the epoch after ``epoch``, begun so long ago."""
    session(folder)
    (folder / "spec.json").write_text("{}")
    line = {"step": 9, "epoch": epoch, "losses": {"g": 1.5, "g/part": 2.0}}
    (folder / "log.jsonl").write_text(json.dumps(line) + "\n")
    os.utime(folder / "spec.json", (1000.0, 1000.0))
    os.utime(folder / "log.jsonl", (1000.0 + seconds, 1000.0 + seconds))


def long(one: Watched, state: str, **values: Any) -> Watched:
    return Watched(replace(one.cell, epochs=10, **values), state=state)  # type: ignore[arg-type]


def test_the_end_of_a_grid_is_estimated_from_what_is_known(tmp_path: Path) -> None:
    trained(tmp_path / "a", 4)
    trained(tmp_path / "b", 2, seconds=30.0)
    cells = [
        long(cell(tmp_path, "a"), "running", pace=10.0, seconds=100.0),  # 6 of 10 epochs are left
        long(cell(tmp_path, "b"), "running"),  # 2 epochs in 30 s, so 8 take 120
        long(cell(tmp_path, "c"), "waiting", pace=10.0, seconds=100.0),
        long(cell(tmp_path, "d"), "queued"),
        long(cell(tmp_path, "e"), "failed", seconds=50.0),
    ]
    status = status_of("mine", tmp_path, cells, None)
    assert [one.seconds_left for one in status.cells] == [60.0, 120.0, 100.0, None, 50.0]
    assert [one.epoch for one in status.cells] == [5, 3, None, None, None]
    assert status.cells[0].losses == {"g": 1.5, "g/part": 2.0}
    assert status.seconds_left == 140.0  # 280 s on the two that run just now
    assert status.unknown_length == 1
    assert status.ends is not None
    assert (status.ends - status.looked).total_seconds() == 140.0
    text = lines_of(status)
    assert text[0] == "a d 8 px seed 0  running  epoch 5/10  g 1.5  0:01:00 left"
    assert text[-1].startswith("2 running, 1 waiting, 1 queued, 1 failed; about 0:02:20 left without 1 of")


def test_no_end_is_sooner_than_that_of_the_longest_cell(tmp_path: Path) -> None:
    cells = [
        long(cell(tmp_path, name), "waiting", seconds=seconds) for name, seconds in (("a", 9.0), ("b", 99.0))
    ]
    assert status_of("mine", tmp_path, cells, 8).seconds_left == 99.0
    assert status_of("mine", tmp_path, cells, None).ends is None, "none runs"
    done = [long(cell(tmp_path, "a"), "done", seconds=0.0)]
    assert status_of("mine", tmp_path, done, None).seconds_left == 0.0


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_status_of_a_results_folder(
    tmp_path: Path, run_tiny: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = run_tiny().folder.path
    other = folder.with_name("other")
    other.mkdir()
    (other / "spec.json").write_bytes((folder / "spec.json").read_bytes())
    with claimed(other):
        assert bench(monkeypatch, "status", "--results", tmp_path / "results") == 0
        text, _ = capsys.readouterr()
        assert f"linear-gan discs 16 px seed 0  running (process {os.getpid()} of this machine)" in text
        assert "1 done, 1 running; about" in text
        assert bench(monkeypatch, "status", "--json", "--results", tmp_path / "results") == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(
        told, json.loads(schema_file("status").read_text()), format_checker=jsonschema.FormatChecker()
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**told, "counts": {"lost": 1}}, json.loads(schema_file("status").read_text()))
    assert told["counts"] == {"done": 1, "running": 1}
    assert bench(monkeypatch, "status", "--results", tmp_path / "nowhere") == 2


def test_status_needs_no_torch(tmp_path: Path, run_tiny: Callable[..., Outcome]) -> None:
    run_tiny()
    code = (
        "import sys\nfrom harness import cli\ntry: cli.main()\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "status", "--results", str(tmp_path / "results")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.splitlines() == ["1 done", "0 False"], answer.stderr


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(following, "_queues", lambda logs: ({}, []))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_grid_is_followed_until_all_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    undone = ["a", "b"]
    monkeypatch.setattr(Display, "tick", lambda self: undone and finish(tmp_path / undone.pop()))
    with StopSignal("", raises=False) as stop:
        assert follow("mine", cells, tmp_path, stop, as_json=as_json) == 0
    out, errors = capsys.readouterr()
    if as_json:
        first, *_, last = [json.loads(line) for line in out.splitlines()]
        assert (first["counts"], last["counts"], errors) == ({"waiting": 2}, {"done": 2}, "")
    else:
        assert errors.splitlines() == ["[1/2] b d 8 px seed 0: done", "[2/2] a d 8 px seed 0: done"]
        assert out.splitlines()[-1] == "2 done"


@pytest.mark.usefixtures("hurried")
def test_who_follows_leaves_when_nobody_works_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.05)
    with StopSignal("", raises=False) as stop:
        assert follow("mine", [cell(tmp_path, "a")], tmp_path, stop, as_json=False) == 1


def test_json_of_cells_that_are_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "grid", "table2", "--json", "--results", tmp_path) == 2
    assert "needed: --watch" in capsys.readouterr().err
