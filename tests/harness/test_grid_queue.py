"""The loop over cells, with an executor that goes on without it: found again, left, followed to late records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pytest
from scripted import Scripted, ScriptedTask, Told, cell, completes, ends, finish, run

from harness.api import PAUSED, STOPPED, Ended, Job, JobState, SubmittedJob
from harness.grid import schedule
from harness.grid.schedule import work

pytestmark = pytest.mark.usefixtures("no_waiting")


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
