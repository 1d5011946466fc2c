"""The loop over cells, with an executor whose processes end as told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from handmade import plain_record

from harness.api import (
    BUSY,
    PAUSED,
    STOPPED,
    USER_ERROR,
    Ended,
    Executor,
    Job,
    JobState,
    Resources,
    SubmittedJob,
)
from harness.cell.records import RunFolder, Status
from harness.cli.watching import last_losses
from harness.errors import SpecError, StorageError
from harness.grid import schedule
from harness.grid.executors.local import Local, Process
from harness.grid.planned import PlannedCell
from harness.grid.schedule import Watched, work


def cell(folder: Path, name: str) -> Watched:
    return Watched(
        PlannedCell(
            model=name, row=None, dataset="d", resolution=8, seed=0, name=name, folder=folder / name,
            arguments=(), epochs=1, metrics=("swd",), standing="new", message="", seconds=None,
        )
    )  # fmt: skip


def finish(folder: Path, status: Status = "complete", metric: str = "swd") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # A cell's name ends with the first digits of its identity.
    RunFolder(folder).write_record(plain_record(folder.name[-8:], status, metric))


class Scripted(Executor):
    """Runs functions instead of processes; each returns how its process ended."""

    def __init__(self, slots: int, script: dict[str, list[Callable[[], Ended | None]]]) -> None:
        self.slots = slots
        self.script = script
        self.started: list[str] = []
        self.most = 0
        self.running = 0

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        for job in jobs:
            self.started.append(job.name)
            self.running += 1
            self.most = max(self.most, self.running)
            yield ScriptedTask(self, self.script[job.name].pop(0))


class Told(SubmittedJob):
    """Has no words of its own."""

    state = JobState("running", "n1")

    def log(self) -> str:
        return ""


class ScriptedTask(Told):
    def __init__(self, executor: Scripted, act: Callable[[], Ended | None]) -> None:
        self.executor = executor
        self.act = act
        self.stopped: list[bool] = []

    def poll(self) -> Ended | None:
        ended = Ended(143, "") if self.stopped else self.act()
        self.executor.running -= ended is not None
        return ended

    def stop(self, *, now: bool) -> None:
        self.stopped.append(now)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "ELSEWHERE_SECONDS", 0.0)


def run(cells: list[Watched], executor: Executor, stop: Callable[[], int] = lambda: 0) -> list[str]:
    told: list[str] = []
    work(cells, executor, stop=stop, changed=lambda one: told.append(one.state), tick=lambda: None)
    return told


def completes(folder: Path, status: str = "complete") -> Callable[[], Ended | None]:
    def act() -> Ended:
        finish(folder, status)
        return Ended(0, "")

    return act


def ends(code: int, words: str = "") -> Callable[[], Ended | None]:
    return lambda: Ended(code, words)


def test_every_cell_runs_once_and_never_more_than_the_slots(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(7)]
    executor = Scripted(3, {name: [completes(tmp_path / name)] for name in names})
    cells = [cell(tmp_path, name) for name in names]
    run(cells, executor)
    assert executor.started == names
    assert executor.most == 3
    assert {one.state for one in cells} == {"done"}


def test_done_cells_are_not_started(tmp_path: Path) -> None:
    finish(tmp_path / "a")
    finish(tmp_path / "b", "diverged")
    executor = Scripted(1, {})
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    run(cells, executor)
    assert [one.state for one in cells] == ["done", "diverged"]
    assert executor.started == []


def test_a_complete_cell_without_a_metric_is_started_for_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        finish(tmp_path / name, metric="ms_ssim")
    executor = Scripted(1, {"a": [completes(tmp_path / "a")], "b": [ends(USER_ERROR, "too few images")]})
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    run(cells, executor)
    assert executor.started == ["a", "b"]
    assert [one.state for one in cells] == ["done", "failed"]


def test_a_cell_that_diverged_has_no_metric_to_wait_for(tmp_path: Path) -> None:
    finish(tmp_path / "a", "diverged", metric="ms_ssim")
    cells = [cell(tmp_path, "a")]
    run(cells, Scripted(1, {}))
    assert cells[0].state == "diverged"


def test_a_cell_that_died_is_started_once_more(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [ends(-9, "killed by SIGKILL"), completes(tmp_path / "a")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert cells[0].state == "done"
    assert cells[0].attempts == 2


def test_a_cell_that_dies_twice_has_failed_and_the_rest_goes_on(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [ends(7, "exit 7"), ends(7, "exit 7")], "b": [completes(tmp_path / "b")]})
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    run(cells, executor)
    assert [one.state for one in cells] == ["failed", "done"]
    assert cells[0].message == "exit 7"


def test_divergence_is_a_result(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [completes(tmp_path / "a", "diverged")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert cells[0].state == "diverged"
    assert cells[0].attempts == 1


def test_a_failed_record_is_tried_once_more(tmp_path: Path) -> None:
    finish(tmp_path / "a", "failed")
    executor = Scripted(1, {"a": [ends(1, "RuntimeError"), completes(tmp_path / "a")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert cells[0].state == "done"


def test_what_only_the_user_can_put_right_is_not_tried_again(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [ends(USER_ERROR, "no such file")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert (cells[0].state, cells[0].message) == ("failed", "no such file")


def test_a_cell_held_elsewhere_is_waited_for_and_not_done_twice(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lock = FileLock(tmp_path / "a" / ".lock")
    lock.acquire()
    looks: list[int] = []

    def finish_elsewhere() -> int:
        looks.append(1)
        if len(looks) == 20:
            finish(tmp_path / "a")
            lock.release()
        return 0

    executor = Scripted(1, {"b": [completes(tmp_path / "b")]})
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    told = run(cells, executor, stop=finish_elsewhere)
    assert executor.started == ["b"]
    assert [one.state for one in cells] == ["done", "done"]
    assert "elsewhere" in told


def test_a_cell_left_undone_elsewhere_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lock = FileLock(tmp_path / "a" / ".lock")
    lock.acquire()
    looks: list[int] = []

    def die_elsewhere() -> int:
        looks.append(1)
        if len(looks) == 20:
            lock.release()
        return 0

    executor = Scripted(1, {"a": [completes(tmp_path / "a")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor, stop=die_elsewhere)
    assert executor.started == ["a"]
    assert cells[0].state == "done"


def test_losing_the_race_for_a_cell_is_no_attempt(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [ends(BUSY), ends(BUSY), ends(BUSY), completes(tmp_path / "a")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert cells[0].state == "done"
    assert cells[0].attempts == 1


def test_a_stop_asks_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [lambda: None]})
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b")]
    run(cells, executor, stop=lambda: int(bool(executor.started)))
    assert executor.started == ["a"]
    assert [one.state for one in cells] == ["stopped", "stopped"]


class Full(Scripted):
    """No room for a third cell; those on their way need some looks until their state is saved."""

    def __init__(self, looks: int) -> None:
        super().__init__(3, {})
        self.tasks: list[Slow] = []
        self.looks = looks

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        for _ in jobs:
            if len(self.tasks) == 2:
                raise StorageError("no space left")
            self.tasks.append(Slow(self.looks))
            yield self.tasks[-1]


class Slow(Told):
    """Ends, when it was asked to, after so many looks."""

    def __init__(self, looks: int, code: int = 143) -> None:
        self.looks, self.code = looks, code
        self.stopped: list[bool] = []

    def poll(self) -> Ended | None:
        self.looks -= bool(self.stopped)
        return Ended(self.code, "") if self.looks < 0 or True in self.stopped else None

    def stop(self, *, now: bool) -> None:
        self.stopped.append(now)


def test_a_cell_that_cannot_be_started_leaves_no_other_behind(tmp_path: Path) -> None:
    executor = Full(looks=5)
    cells = [cell(tmp_path, name) for name in "abc"]
    with pytest.raises(StorageError, match="no space left"):
        run(cells, executor)
    assert [task.stopped for task in executor.tasks] == [[False], [False]]
    assert [task.looks for task in executor.tasks] == [-1, -1], "they were not waited for"
    assert [one.state for one in cells] == ["stopped"] * 3


def test_who_will_not_wait_for_those_left_behind_may_insist(tmp_path: Path) -> None:
    executor = Full(looks=10**9)
    with pytest.raises(StorageError):
        run([cell(tmp_path, name) for name in "abc"], executor, stop=lambda: 2 * len(executor.tasks[:0:-1]))
    assert all(task.stopped[-1] for task in executor.tasks)


def test_a_stop_does_not_wait_for_a_cell_that_another_process_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, looks = Scripted(1, {}), []
    monkeypatch.setattr(executor, "submit", lambda jobs: [Slow(0, code=BUSY) for _ in jobs])

    def stop() -> int:
        looks.append(1)
        assert len(looks) < 100, "it waits for ever"
        return int(len(looks) > 1)

    cells = [cell(tmp_path, "a")]
    run(cells, executor, stop=stop)
    assert cells[0].state == "stopped"


class Queue(Scripted):
    """Takes any number of cells at once, and goes on with them when the grid is gone."""

    outlives = True

    def __init__(
        self, script: dict[str, list[Callable[[], Ended | None]]], queued: Sequence[str] = ()
    ) -> None:
        super().__init__(0, script)
        self.slots = None
        self.calls: list[list[str]] = []
        self.queued = {name: ScriptedTask(self, script[name].pop(0)) for name in queued}

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        self.calls.append([job.name for job in jobs])
        return super().submit(jobs)

    def attach(self, names: Collection[str]) -> dict[str, SubmittedJob]:
        return {name: task for name, task in self.queued.items() if name in names}


def test_a_queue_is_given_all_cells_in_one_call(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(7)]
    executor = Queue({name: [completes(tmp_path / name)] for name in names})
    cells = [cell(tmp_path, name) for name in names]
    run(cells, executor)
    assert executor.calls == [names]
    assert {one.state for one in cells} == {"done"}


def test_what_is_queued_already_is_found_and_not_submitted_again(tmp_path: Path) -> None:
    finish(tmp_path / "b")
    executor = Queue({name: [completes(tmp_path / name)] for name in "ac"}, queued="a")
    cells = [cell(tmp_path, name) for name in "abc"]
    run(cells, executor)
    assert executor.calls == [["c"]]
    assert [one.state for one in cells] == ["done"] * 3


def test_queued_and_running_are_told_apart_with_the_node(tmp_path: Path) -> None:
    executor = Queue({"a": [lambda: None]})
    cells, seen = [cell(tmp_path, "a")], []
    states = iter([JobState("queued"), JobState("running", "n2")])

    class Moving(Told):
        state = JobState("queued")

        def poll(self) -> Ended | None:
            self.state = next(states, None) or self.state
            if self.state.node and len(seen) > 1:
                finish(tmp_path / "a")
                return Ended(0, "")
            return None

        def stop(self, *, now: bool) -> None: ...

    executor.submit = lambda jobs: [Moving()]  # type: ignore[method-assign]
    work(
        cells,
        executor,
        stop=lambda: 0,
        tick=lambda: None,
        changed=lambda one: seen.append((one.state, one.message)),
    )
    assert seen == [("queued", ""), ("running", "n2"), ("done", "")]


def test_leaving_ends_nothing(tmp_path: Path) -> None:
    executor = Queue({"a": [lambda: None]})
    cells = [cell(tmp_path, "a")]
    work(cells, executor, stop=lambda: 0, tick=lambda: None, changed=lambda one: None, leave=lambda: True)
    task = cells[0].task
    assert isinstance(task, ScriptedTask)
    assert (executor.calls, task.stopped) == ([["a"]], [])


def test_an_error_leaves_a_queue_as_it_is(tmp_path: Path) -> None:
    executor = Queue({"a": [lambda: None]})
    cells = [cell(tmp_path, "a")]
    with pytest.raises(OSError, match="the terminal"):
        work(
            cells, executor, stop=lambda: 0, changed=lambda one: None,
            tick=lambda: (_ for _ in ()).throw(OSError("the terminal")),
        )  # fmt: skip
    task = cells[0].task
    assert isinstance(task, ScriptedTask)
    assert task.stopped == []


@pytest.mark.parametrize(("moves", "starts"), [(True, 5), (False, 2)])
def test_an_attempt_that_got_further_is_none(tmp_path: Path, moves: bool, starts: int) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"1")

    def times_out() -> Ended:
        if moves:
            (folder / "checkpoint.pt").write_bytes(b"1" * (1 + len(executor.started)))
        return Ended(PAUSED, "time limit", "timeout")

    executor = Scripted(1, {"a": [*[times_out] * 4, completes(folder)]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert cells[0].state == ("done" if moves else "failed")
    assert len(executor.started) == starts


def test_who_had_to_make_room_made_no_attempt(tmp_path: Path) -> None:
    preempted = [lambda: Ended(None, "preempted", "preempted")] * 4
    cells = [cell(tmp_path, "a")]
    run(cells, Scripted(1, {"a": [*preempted, completes(tmp_path / "a")]}))
    assert cells[0].state == "done"


def test_what_somebody_else_cancelled_is_not_started_again(tmp_path: Path) -> None:
    executor = Scripted(1, {"a": [lambda: Ended(STOPPED, "cancelled by 1000", "cancelled")]})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert (cells[0].state, cells[0].message, executor.started) == ("stopped", "cancelled by 1000", ["a"])


def test_a_record_may_be_seen_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.01)
    looks: list[int] = []

    def shows() -> None:
        looks.append(1)
        if len(looks) == 20:
            finish(tmp_path / "a")

    executor = Scripted(1, {"a": [ends(0)] * 100})
    monkeypatch.setattr(ScriptedTask, "poll", lambda self: Ended(0, ""))
    cells = [cell(tmp_path, "a")]
    work(cells, executor, stop=lambda: 0, changed=lambda one: None, tick=shows)
    assert (cells[0].state, cells[0].attempts, executor.started) == ("done", 1, ["a"])


def test_a_record_that_never_comes_is_an_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LATE_SECONDS", 0.05)
    monkeypatch.setattr(ScriptedTask, "poll", lambda self: Ended(0, "said nothing"))
    executor = Scripted(1, {"a": [ends(0)] * 2})
    cells = [cell(tmp_path, "a")]
    run(cells, executor)
    assert (cells[0].state, cells[0].message, executor.started) == ("failed", "said nothing", ["a", "a"])


def is_finished(folder: Path) -> bool:
    return schedule.finished(cell(folder.parent, folder.name).cell) is not None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"status"', b"\xff\xfe", b'{"status": "complete", "score_versions": 3}']
)
def test_a_torn_record_is_not_done(tmp_path: Path, content: bytes) -> None:
    finish(tmp_path)
    assert is_finished(tmp_path)
    (tmp_path / "record.json").write_bytes(content)
    assert not is_finished(tmp_path)


def test_losses_are_read_from_a_growing_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert last_losses(log) is None
    lines = [json.dumps({"step": step, "epoch": 0, "losses": {"g": 1.0}}) for step in range(1000)]
    log.write_text("\n".join([*lines, json.dumps({"step": 1000, "epoch": 1, "scores": {}}), '{"step": 10']))
    entry = last_losses(log)
    assert entry is not None
    assert entry["step"] == 999


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
