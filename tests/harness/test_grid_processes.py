"""Grids with real processes: crashes, kills, two grids on one folder, and what is left in the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy_plugin import GRID, install

pytestmark = pytest.mark.minutes


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A path on which child processes find the example, the faulty and the toy plugin."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def bench(installed: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``bench`` in ``tmp_path``; whatever is still alive at the end is killed."""
    grid = tmp_path / "mine.toml"
    grid.write_text(GRID)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": installed, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


def records(results: Path) -> dict[int, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in results.glob("runs/*/record.json")]
    return {record["spec"]["seed"]: record for record in found}


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def cell_processes(results: Path) -> list[int]:
    """Ids of the live processes that compute cells of a results folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cell" in command and any(str(results).encode() in part for part in command):
            found.append(int(path.parent.name))
    return found


linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes in /proc")


@linux
def test_killed_parent_and_child_cost_nothing_but_time(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "cut"
    slow = ("--set", "pause=0.1", "--jobs", "2")
    grid = bench("grid", "mine.toml", "--results", str(results), *slow)
    wait_until(lambda: len(list(results.glob("runs/*/checkpoint.pt"))) == 2)
    victims = cell_processes(results)
    assert len(victims) == 2
    grid.send_signal(signal.SIGKILL)
    os.kill(victims[0], signal.SIGKILL)
    assert grid.wait() == -signal.SIGKILL

    # The other child lives on with its cell; the next grid takes the rest, and waits for it if it must.
    code, output, errors = told(bench("grid", "mine.toml", "--results", str(results), *slow))
    assert code == 0, errors
    assert "3 of 3 cells are done" in output
    assert not cell_processes(results)

    code, _, _ = told(bench("grid", "mine.toml", "--results", str(tmp_path / "whole"), *slow))
    assert code == 0
    cut, whole = records(results), records(tmp_path / "whole")
    assert set(cut) == {0, 1, 2}
    assert {seed: record["scores"] for seed, record in cut.items()} == {
        seed: record["scores"] for seed, record in whole.items()
    }
    for folder in results.glob("runs/*"):
        steps = [
            line["step"]
            for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines())
            if "losses" in line
        ]
        assert steps == sorted(set(steps)), "a step was logged twice"


def test_interrupted_cells_save_and_the_same_command_goes_on(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = ("grid", "mine.toml", "--results", str(results), "--jobs", "1", "--set", "pause=0.2")
    grid = bench(*command, "--seeds", "0")
    wait_until(lambda: list(results.glob("runs/*/log.jsonl")))
    time.sleep(1.0)
    grid.send_signal(signal.SIGINT)
    code, output, _ = told(grid)
    assert code == 128 + signal.SIGINT
    assert "stopped" in output
    assert re.search(r"to finish: bench grid mine\.toml .*--seeds 0", output)
    assert list(results.glob("runs/*/checkpoint.pt"))
    code, listing, _ = told(bench(*command, "--seeds", "0", "--dry-run"))
    assert code == 0
    assert "resumable" in listing
    code, output, _ = told(bench(*command, "--seeds", "0"))
    assert (code, "1 of 1 cells are done" in output) == (0, True)


def test_plugins_that_go_wrong_cost_their_own_cells_alone(bench: Any, tmp_path: Path) -> None:
    overrides = [
        "[[overrides]]\nmodel = 'faulty'\nsettings = { what = 'exit' }\n",
        "[[overrides]]\nmodel = 'toy'\nsettings = { hungry = true }\n",
    ]
    (tmp_path / "bad.toml").write_text(
        GRID.replace('["toy"]', '["faulty", "toy", "linear-gan"]').replace("[0, 1, 2]", "[0]")
        + "".join(overrides)
    )
    results = tmp_path / "results"
    code, output, _ = told(bench("grid", "bad.toml", "--results", str(results), "--jobs", "2"))
    assert code == 1
    assert "bad: 1 of 3 cells are done" in output
    assert "missing: faulty discs 16 px seed 0: failed (exit 7" in output
    assert "missing: toy discs 16 px seed 0: failed (exit 1: MemoryError" in output
    statuses = {
        record["spec"]["model"]["name"]: record["status"]
        for record in (json.loads(path.read_text()) for path in results.glob("runs/*/record.json"))
    }
    assert statuses == {"toy": "failed", "linear-gan": "complete"}


def test_divergence_is_a_result(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = ("grid", "mine.toml", "--results", str(results), "--seeds", "0", "--jobs", "1")
    code, output, _ = told(bench(*command, "--set", "what=nan-loss"))
    assert code == 0
    assert "diverged: toy discs 16 px seed 0: kept as a result" in output


def test_two_grids_share_the_cells(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = ("grid", "mine.toml", "--results", str(results), "--jobs", "1", "--set", "pause=0.05")
    first, second = bench(*command), bench(*command)
    outcomes = [told(process) for process in (first, second)]
    assert [code for code, _, _ in outcomes] == [0, 0]
    assert all("3 of 3 cells are done" in output for _, output, _ in outcomes)
    ran = "".join(errors for _, _, errors in outcomes)
    assert "by another process" in ran
    for folder in results.glob("runs/*"):
        evaluations = [
            line["epoch"]
            for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines())
            if "scores" in line
        ]
        assert evaluations == [2, 4]


def test_a_metric_more_is_scored_without_training(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = ("grid", "mine.toml", "--results", str(results), "--seeds", "0", "--jobs", "1")
    assert told(bench(*command))[0] == 0
    (log,) = results.glob("runs/*/log.jsonl")
    trained = log.read_bytes()
    more = ("--set", "metrics=brightness,swd")
    _, listing, _ = told(bench(*command, *more, "--dry-run"))
    assert "unscored" in listing
    assert "1 cells, 0 done" in listing
    code, output, _ = told(bench(*command, *more))
    assert (code, "1 of 1 cells are done" in output) == (0, True)
    assert records(results)[0]["scores"]["best"].keys() == {"brightness", "swd"}
    assert log.read_bytes() == trained


def test_a_damaged_file_stops_a_grid_or_is_left_out(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (tmp_path / "raw" / "folder").mkdir(parents=True)
    for number in range(12):
        Image.new("L", (20, 20), 20 * number).save(tmp_path / "raw" / "folder" / f"{number}.png")
    (tmp_path / "raw" / "folder" / "3.png").write_bytes(b"\x89PNG broken")
    command = ("grid", "mine.toml", "--results", str(results), "--seeds", "0", "--jobs", "1")
    raw = ("--datasets", "folder", "--data-root", "raw")
    code, output, _ = told(bench(*command, *raw))
    assert (code, "3.png" in output) == (1, True)
    code, _, errors = told(bench(*command, *raw, "--skip-bad"))
    assert code == 0, errors
    assert [entry["item"] for entry in records(results)[0]["dataset"]["skipped"]] == ["3.png"]


def test_ablate_runs_the_rows_of_any_model(bench: Any, tmp_path: Path) -> None:
    command = ("ablate", "--dataset", "discs", "--res", "16", "--model", "toy", "--seeds", "0")
    settings = ("--set", "epochs=2", "--set", "evaluate_every=2", "--set", "metrics=brightness")
    code, listing, _ = told(bench(*command, *settings, "--results", str(tmp_path / "results"), "--dry-run"))
    assert code == 0
    assert "toy [Base] discs 16 px seed 0" in listing
    assert "toy [+ Mixing] discs 16 px seed 0" in listing
    assert "2 cells, 0 done" in listing


@linux
def test_a_grid_process_is_small(bench: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    grid = bench("grid", "mine.toml", "--results", str(results), "--jobs", "1", "--set", "pause=0.1")
    wait_until(lambda: list(results.glob("runs/*/log.jsonl")))
    status = Path(f"/proc/{grid.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))  # type: ignore[union-attr]
    grid.send_signal(signal.SIGTERM)
    told(grid)
    assert resident < 300_000


def test_a_user_error_is_told_without_a_traceback(bench: Any) -> None:
    code, _, errors = told(bench("grid", "mine.toml", "--models", "toi"))
    assert code == 2
    assert "error: unknown model 'toi'" in errors
    assert "Traceback" not in errors
