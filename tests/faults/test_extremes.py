"""Numbers and texts that nobody means: refused with a range, before memory is asked for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from harness import plugins
from harness.api import Resources, WeightsFile
from harness.cli import main
from harness.errors import BenchError, SpecError, WeightsError
from harness.grid.definition import load_grid
from harness.grid.executors.local import Local
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.settings import read_value
from harness.scoring.weights import Weights
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
        {"metrics": "[" * 100_000},
    ],
)
def test_settings_nobody_means_are_refused(run_tiny: Run, settings: dict[str, Any]) -> None:
    with pytest.raises(BenchError) as caught:
        run_tiny(settings=settings)
    assert len(str(caught.value)) < 4000


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
    names, means = ["=1+1", "@x", "-", "+1", "plain"], [-1.5, 0.0, 1.0, 2.0, 3.0]
    numbers = [{"row": name, "mean": mean} for name, mean in zip(names, means, strict=True)]
    sheet = Sheet(
        label="50 %} of_it", caption="", columns=[Column("row")], rows=[[SheetCell("x")]], numbers=numbers,
        notes=[],
    )  # fmt: skip
    frame = pandas.read_csv(io.StringIO(render(sheet, "csv")))
    assert list(frame["row"]) == ["'=1+1", "'@x", "-", "'+1", "plain"]
    assert list(frame["mean"]) == means
    assert r"\label{tab:50----of_it}" in render(sheet, "latex")


@pytest.mark.parametrize("kind", ["a folder", "a loop", "a pipe"])
@pytest.mark.parametrize("place", ["given", "cached"])
def test_weights_that_are_no_file_are_told(tmp_path: Path, kind: str, place: str) -> None:
    path = tmp_path / "net.pt"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a loop":
        path.symlink_to(path)
    else:
        os.mkfifo(path)
    cache = tmp_path if place == "cached" else tmp_path / "cache"
    given = () if place == "cached" else (path,)
    with pytest.raises(WeightsError, match=r"net\.pt"):
        Weights(cache, given, online=False).find(WeightsFile("net.pt", "00", "https://example.org/net.pt"))


Bench = Callable[..., str]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with plugins.using(Registry()), pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2
        return capsys.readouterr().err

    return run


LONG = "x" * 300
RUN = ["run", "--model", "dcgan", "--dataset", "phantom"]


@pytest.mark.parametrize(
    "arguments",
    [
        [*RUN, "--seed", str(1 << 32)],
        [*RUN, "--seed", str(1 << 64)],
        [*RUN, "--res", "1" + "0" * 30],
        [*RUN, "--set", "betas=[2,3]"],
        [*RUN, "--set", "epochs=" + "9" * 5000],
        [*RUN, "--set", "width=" + "9" * 30],
        [*RUN, "--results", LONG],
        [*RUN, "--data-root", LONG],
        [*RUN, "--cache", LONG, "--epochs", "1"],
        [*RUN, "--weights", LONG, "--metrics", "fid"],
        ["grid", LONG],
        ["grid", LONG + ".toml"],
        ["grid", "table2", "--jobs", "²"],
        ["grid", "table2", "--jobs", "10000000000", "--dry-run"],
        ["grid", "table2", "--seeds", "9" * 5000],
        ["table", "2", "--results", LONG],
        ["sample", LONG, "--out", "out"],
        ["sample", "x", "--out", "out", "--count", "99999999999"],
        ["sample", "x", "--out", "out", "--count", "2", "--first-seed", "4294967295"],
        ["score", "--generated", "x", "--reference", "y", "--metrics", ","],
        ["score", "--generated", "x", "--dataset", "phantom", "--device", "meta"],
        ["data", "prepare", "--dataset", "phantom", "--res", "9" * 5000],
        ["data", "prepare", "--dataset", "phantom", "--res", "²"],
        ["list", LONG],
        ["show", "model", LONG],
        ["score", "--generated", LONG, "--dataset", "phantom"],
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_no_traceback(bench: Bench, arguments: list[str]) -> None:
    error = bench(*arguments)
    assert "Traceback" not in error
    assert len(error) < 4000
