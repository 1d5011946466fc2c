"""`bench watch`: plots that say what the log says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app, watch
from harness.cli.watch import Looks
from harness.plugins import Registry
from harness.views.terminal_plot import plot

RunTiny = Callable[..., Any]


def test_a_falling_line_falls() -> None:
    lines = plot([(0, 100.0), (1, 50.0), (2, 0.0)], width=3, height=2)
    assert lines == ["      100 │█", "        0 │██▁"]


def test_one_point_no_point_and_many_points() -> None:
    assert plot([]) == []
    assert len(plot([(5, 1.0)])) == 4
    wide = plot([(x, float(x % 7)) for x in range(1000)], width=40)
    assert max(map(len, wide)) == 11 + 40


def test_a_finished_run_is_plotted_once(
    run_tiny: RunTiny, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run_tiny()
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["watch", "linear"], catch_exceptions=False)
    assert answer.exit_code == 0
    best = outcome.record.scores["selected"]["brightness"]
    assert f"{outcome.folder.path.name}: complete" in answer.stdout
    assert "brightness by epoch" in answer.stdout
    assert "generator by step" in answer.stdout
    assert f"{best:.4g}" in answer.stdout


def test_the_time_left_is_told_from_two_looks(
    run_tiny: RunTiny, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_tiny().folder
    folder.record.unlink()
    text = folder.log.read_text().splitlines(keepends=True)
    scored = [number for number, line in enumerate(text) if '"scores"' in line]
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(watch.time, "monotonic", lambda: next(clock))
    folder.log.write_text("".join(text[: scored[0] + 1]))
    looks = Looks(folder)
    assert "left" not in looks.look(80)[0]
    folder.log.write_text("".join(text[: scored[0] + 2]))
    # From epoch 2 of 4 to what the next line says, in 10 s.
    first = looks.look(80)[0]
    assert "left at this pace" in first
    assert not looks.is_done
