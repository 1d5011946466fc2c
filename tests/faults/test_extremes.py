"""Numbers and texts that nobody means: refused with a range, before memory is asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from harness.api import Resources
from harness.errors import BenchError, SpecError
from harness.grid.definition import load_grid
from harness.grid.executors.local import Local
from harness.running.cell import Outcome
from harness.running.settings import read_value
from harness.tables.sheets import Column, Sheet, SheetCell, render

Run = Callable[..., Outcome]


@pytest.mark.parametrize("seed", [-1, 1 << 32, 1 << 64])
def test_a_seed_has_32_bits(run_tiny: Run, seed: int) -> None:
    with pytest.raises(SpecError, match="seed") as caught:
        run_tiny(seed=seed)
    assert caught.value.needed == "0 to 4294967295"


@pytest.mark.parametrize("side", [0, -64, 8193, 10**30])
def test_a_side_is_at_most_8192(run_tiny: Run, side: int) -> None:
    with pytest.raises(SpecError, match="pixels a side"):
        run_tiny(resolution=side)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 10**12},
        {"epochs": 10**30},
        {"samples": 10**12},
        {"epochs": "9" * 5000},
    ],
)
def test_settings_nobody_means_are_refused(run_tiny: Run, settings: dict[str, Any]) -> None:
    with pytest.raises(BenchError) as caught:
        run_tiny(settings=settings)
    assert len(str(caught.value)) < 2000


def test_deep_json_is_text() -> None:
    assert read_value("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize("values", [{"jobs": 10**10}, {"per_device": 10**10}])
def test_a_grid_has_a_number_of_places(tmp_path: Path, values: dict[str, int]) -> None:
    given: dict[str, Any] = {"devices": ["cuda:0"], "cores": 2, "jobs": None, "per_device": 1, **values}
    with pytest.raises(SpecError, match="too many cells at a time"):
        Local(Resources(logs=tmp_path, **given))


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "a = " + "9" * 5000])
def test_a_grid_nobody_reads_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(SpecError):
        load_grid(str(path))


def test_a_pipe_is_no_grid(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    os.mkfifo(path)
    with pytest.raises(SpecError, match="no file"):
        load_grid(str(path))


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    numbers = pandas.DataFrame(
        {"row": ["=1+1", "@x", "-", "+1", "plain"], "mean": [-1.5, 0.0, 1.0, 2.0, 3.0]}
    )
    sheet = Sheet(
        label="50 %} of_it", caption="", columns=[Column("row")], rows=[[SheetCell("x")]], numbers=numbers,
        notes=[],
    )  # fmt: skip
    frame = pandas.read_csv(io.StringIO(render(sheet, "csv")))
    assert list(frame["row"]) == ["'=1+1", "'@x", "-", "'+1", "plain"]
    assert list(frame["mean"]) == [-1.5, 0.0, 1.0, 2.0, 3.0]
    assert r"\label{tab:50----of_it}" in render(sheet, "latex")
