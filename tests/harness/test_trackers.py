"""Trackers are told every number that the log has. Their packages are played by modules that write down their calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from harness.cli.options import tracking
from harness.errors import SpecError
from harness.plugins import Registry

RunTiny = Callable[..., Any]


class Recorder(ModuleType):
    """A module whose functions all write down how they were called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **named: self.calls.append((name, values, named))


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Recorder]:
    made = {name: Recorder(name) for name in ("trackio", "mlflow")}
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def test_both_are_told_what_the_log_has(
    run_tiny: RunTiny, registry: Registry, packages: dict[str, Recorder]
) -> None:
    with tracking(False, "trackio, mlflow"):
        outcome = run_tiny()
    log = [json.loads(line) for line in outcome.folder.log.read_text().splitlines()]
    logged = [
        ({f"{kind.rstrip('s').replace('losse', 'loss')}/{k}": v for k, v in line[kind].items()}, line["step"])
        for line in log
        for kind in ("losses", "scores")
        if kind in line
    ]
    for package, function in (("trackio", "log"), ("mlflow", "log_metrics")):
        told = [
            (values[0], named["step"]) for name, values, named in packages[package].calls if name == function
        ]
        assert told == logged
    first, last = packages["trackio"].calls[0], packages["trackio"].calls[-1]
    assert first[0] == "init"
    assert first[2]["name"] == outcome.folder.path.name
    assert first[2]["config"]["epochs"] == 4
    assert last[0] == "finish"
    assert packages["mlflow"].calls[-1] == ("end_run", ("FINISHED",), {})


def test_a_cut_run_is_not_called_finished(
    run_tiny: RunTiny, registry: Registry, packages: dict[str, Recorder]
) -> None:
    def cut() -> None:
        with tracking(False, "mlflow"):
            run_tiny()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut()
    assert packages["mlflow"].calls[-1] == ("end_run", ("KILLED",), {})


def test_a_tracker_that_fails_is_told_by_its_name(
    run_tiny: RunTiny, registry: Registry, packages: dict[str, Recorder]
) -> None:
    def refuse(**named: Any) -> None:
        raise OSError("no place to write to")

    packages["mlflow"].start_run = refuse
    with tracking(False, "mlflow"), pytest.warns(UserWarning, match="observer mlflow raised OSError"):
        assert run_tiny().record.status == "complete"


def test_what_is_missing_or_unknown_is_told(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(SpecError, match=r"hagan-bench\[trackio\]"), tracking(False, "trackio"):
        pass
    with pytest.raises(SpecError, match="trackoi"), tracking(False, "trackoi"):
        pass
