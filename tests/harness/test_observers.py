"""Observers watch a cell; what they raise is told once, and costs the cell nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness import hookimpl
from harness.api import Clock, Run
from harness.cell.logs import read_log
from harness.plugins import Registry
from harness.running.cell import Outcome

RunTiny = Callable[..., Outcome]


class Sick:
    """Raises in one of its hooks, and counts how often each was called."""

    def __init__(self, where: str, error: BaseException) -> None:
        self.where, self.error = where, error
        self.called: list[str] = []

    def _note(self, hook: str) -> None:
        self.called.append(hook)
        if hook == self.where:
            raise self.error

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        self._note("bench_run_started")

    @hookimpl
    def bench_step(self, run: Run, clock: Clock) -> None:
        self._note("bench_step")

    @hookimpl
    def bench_evaluated(self, run: Run) -> None:
        self._note("bench_evaluated")

    @hookimpl
    def bench_run_finished(self) -> None:
        self._note("bench_run_finished")


class Healthy:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.clocks: list[tuple[str, int, int]] = []
        self.runs: list[Run] = []
        self.records: list[Any] = []

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        self.runs.append(run)

    @hookimpl
    def bench_step(self, run: Run, clock: Clock, losses: dict[str, float]) -> None:
        self.clocks.append(("step", clock.step, clock.epoch))

    @hookimpl
    def bench_evaluated(self, clock: Clock, scores: dict[str, float]) -> None:
        self.clocks.append(("evaluated", clock.step, clock.epoch))

    @hookimpl
    def bench_run_finished(self, run: Run, record: Any) -> None:
        self.records.append(record)


@pytest.mark.parametrize("error", [ValueError("sick"), SystemExit(3)])
@pytest.mark.parametrize(
    "where", ["bench_run_started", "bench_step", "bench_evaluated", "bench_run_finished"]
)
def test_an_observer_that_raises_is_told_once_and_left_out(
    run_tiny: RunTiny, registry: Registry, where: str, error: BaseException
) -> None:
    sick, healthy = Sick(where, error), Healthy()
    registry.manager.register(sick, name="sick")
    registry.manager.register(healthy, name="healthy")
    with pytest.warns(UserWarning, match=f"observer sick raised {type(error).__name__} in {where}") as told:
        outcome = run_tiny()
    assert len(told) == 1
    assert outcome.record.status == "complete"
    assert sick.called[-1] == where, "nothing was asked of it afterwards"
    assert len(healthy.records) == 1, "the others were called to the end"


def test_the_clock_means_the_same_to_every_hook(run_tiny: RunTiny, registry: Registry) -> None:
    healthy = Healthy()
    registry.manager.register(healthy, name="healthy")
    outcome = run_tiny()  # 40 images, 8 a step: 5 steps an epoch, evaluated every second of 4
    assert healthy.clocks == [
        ("step", 5, 1),
        ("step", 10, 2),
        ("evaluated", 10, 2),
        ("step", 15, 3),
        ("step", 20, 4),
        ("evaluated", 20, 4),
    ]
    assert [(line["step"], line["epoch"]) for line in read_log(outcome.folder.log)] == [
        (step, epoch) for _, step, epoch in healthy.clocks
    ]
    (run,) = healthy.runs
    assert (run.model, run.dataset, run.total_steps, run.settings["epochs"]) == ("linear-gan", "discs", 20, 4)
    assert run.folder == outcome.folder.path
    assert healthy.records[0]["identity"] == json.loads(outcome.folder.record.read_text())["identity"]
