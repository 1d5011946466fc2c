"""Executors whose processes end as told, for tests of the loop over cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from handmade import plain_record

from harness.api import Ended, Executor, Job, JobState, SubmittedJob
from harness.cell.records import RunFolder, Status
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
