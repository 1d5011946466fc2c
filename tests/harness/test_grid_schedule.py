"""The loop over cells, with an executor whose processes end as told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from scripted import Scripted, Told, cell, completes, ends, finish, run

from harness.api import BUSY, USER_ERROR, Ended, Job, SubmittedJob
from harness.cell.logs import last_losses
from harness.errors import StorageError
from harness.grid import schedule

pytestmark = pytest.mark.usefixtures("no_waiting")


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
