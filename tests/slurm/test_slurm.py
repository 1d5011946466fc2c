"""Grids on a real SLURM of two nodes, through walltimes, cancels, lost nodes and leaving."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slurm_here import Bench, Slurm

from harness.cell.logs import read_log

pytestmark = pytest.mark.minutes

Make = Callable[..., Bench]


def wait_until(condition: Callable[[], Any], seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)
    return found


def records(bench: Bench) -> dict[int, dict[str, Any]]:
    found = [json.loads(path.read_bytes()) for path in bench.runs.glob("*/record.json")]
    return {record["spec"]["seed"]: record for record in found}


def steps_of(bench: Bench) -> list[int]:
    (folder,) = bench.runs.iterdir()
    return [line["step"] for line in read_log(folder / "log.jsonl") if "losses" in line]


def log_of(bench: Bench) -> str:
    (path,) = bench.folder.glob("results/logs/*.txt")
    return path.read_text()


def checkpoint(bench: Bench) -> bool:
    return bool(list(bench.runs.glob("*/checkpoint.pt")))


def test_an_array_binds_gpus_and_keeps_a_log_of_each_cell(bench: Make) -> None:
    one = bench()
    told = 'echo "gpu=$CUDA_VISIBLE_DEVICES cores=$SLURM_CPUS_PER_TASK"'
    code, out, errors = one.grid("--set-executor", "gpus=1", "--set-executor", f"setup={told}")
    assert code == 0, errors
    assert "3 of 3 cells are done" in out
    assert "queued" in errors
    assert len({job.split("_")[0] for job, *_ in one.jobs()}) == 1, "one array"
    logs = [path.read_text() for path in one.folder.glob("results/logs/*.txt")]
    assert len(logs) == 3
    assert all(re.search(r"^gpu=[01] cores=1$", log, re.MULTILINE) for log in logs)
    for record in records(one).values():
        (session,) = record["sessions"]
        assert re.fullmatch(r"slurm:\d+_[012]", session["job"])
        assert record["device"]["threads"] == 1


def test_an_ordinary_user_submits_and_a_second_time_there_is_nothing_to_do(bench: Make) -> None:
    one = bench("nobody")
    if not one.may_run():
        pytest.skip("an ordinary user can't read this Python")
    code, out, errors = one.grid("--seeds", "0")
    assert code == 0, errors
    assert (one.runs / next(one.runs.iterdir()).name).owner() == "nobody"
    before = one.jobs()
    code, out, _ = one.grid("--seeds", "0")
    assert (code, "1 of 1 cells are done" in out) == (0, True)
    assert one.jobs() == before


def test_a_time_limit_cuts_a_training_and_the_same_bits_come_out(bench: Make, cluster: Slurm) -> None:
    one, whole = bench(), bench()
    # SLURM's shortest limit is a minute, and it looks at limits twice a minute: the 20 steps take longer.
    limit = ("--set-executor", "time=1", "--set-executor", 'options=["--signal=B:USR1@55"]')
    grid = one.start(*one.command, "--seeds", "0", "--set", "pause=2.2", *limit)
    (job, *_) = wait_until(one.jobs)[0]
    errors = hurried(one, cluster, grid, job)
    assert grid.returncode == 0, errors
    assert "once more from its checkpoint" in log_of(one)
    assert "restart 1" in log_of(one)
    cell = "--model toy --dataset discs --res 16 --seed 0 --device cpu".split()
    assert whole("run", *cell, *_settings())[0] == 0
    assert records(one)[0]["scores"] == records(whole)[0]["scores"]
    logs = [next(two.runs.iterdir()) / "log.jsonl" for two in (one, whole)]
    assert logs[0].read_bytes() == logs[1].read_bytes()
    first, *_, last = records(one)[0]["sessions"]
    assert (first["ended"], "ended" in last) == ("saved on request", False)


def hurried(one: Bench, cluster: Slurm, grid: subprocess.Popen[str], job: str) -> str:
    """Wait for a grid whose job SLURM holds for two minutes whenever it is queued again; what it said."""
    until = time.monotonic() + 400
    while grid.poll() is None and time.monotonic() < until:
        cluster.ask("scontrol", "update", f"jobid={job}", "StartTime=now")
        time.sleep(1)
    return grid.communicate(timeout=60)[1]


def _settings() -> list[str]:
    values = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": "brightness", "pause": 0}
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def test_leaving_and_coming_back_submits_nothing_twice(bench: Make) -> None:
    one = bench()
    slow = ("--seeds", "0,1", "--set", "pause=0.3")
    code, out, errors = one.grid(*slow, "--detach")
    assert code == 0, errors
    assert "left in the queue: 2 cells" in out
    assert not records(one)
    grid = one.start(*one.command, *slow)
    wait_until(lambda: checkpoint(one) or records(one))
    grid.send_signal(signal.SIGTERM)
    out, _ = grid.communicate(timeout=60)
    assert grid.returncode == 86
    assert "left in the queue" in out
    code, out, errors = one.grid(*slow)
    assert code == 0, errors
    assert len(one.jobs()) == 2
    for folder in one.runs.iterdir():
        evaluated = [line["epoch"] for line in read_log(folder / "log.jsonl") if "scores" in line]
        assert evaluated == [2, 4]


def test_cancelling_saves_and_what_was_cancelled_by_hand_stays_so(bench: Make, cluster: Slurm) -> None:
    one = bench()
    slow = ("--seeds", "0", "--set", "pause=1")
    assert one.grid(*slow, "--detach")[0] == 0
    wait_until(lambda: list(one.runs.glob("*/log.jsonl")))
    code, out, errors = one.grid(*slow, "--cancel")
    assert (code, "asked to end: 1 cells" in out) == (0, True), errors
    wait_until(lambda: "saved on request" in next(one.runs.iterdir()).joinpath("sessions.jsonl").read_text())
    assert checkpoint(one)
    wait_until(lambda: all(words[2] not in ("RUNNING", "COMPLETING") for words in one.jobs()))
    grid = one.start(*one.command, *slow)
    started = wait_until(lambda: [words[0] for words in one.jobs() if words[2] == "RUNNING"])
    wait_until(lambda: log_of(one).count("restart 0") == 2)
    cluster.ask("scancel", *started)
    out, errors = grid.communicate(timeout=60)
    assert grid.returncode == 1, errors
    assert "stopped (" in out


def test_a_node_that_dies_costs_time_alone(bench: Make, cluster: Slurm) -> None:
    one = bench()
    grid = one.start(*one.command, "--seeds", "0", "--set", "pause=0.5")
    wait_until(lambda: list(one.runs.glob("*/log.jsonl")))
    ((job, _, _, node),) = [words for words in one.jobs() if words[2] == "RUNNING"]
    (pid,) = {json.loads(path.read_text())["pid"] for path in one.runs.glob("*/.holder.json")}
    script = int(Path(f"/proc/{pid}/stat").read_text().split()[3])
    cluster.kill_node(node)
    for one_of_both in (script, pid):
        os.kill(one_of_both, signal.SIGKILL)
    try:
        errors = hurried(one, cluster, grid, job)
    finally:
        cluster.start_node(node)
        cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
        cluster.wait_for_nodes()
    assert grid.returncode == 0, errors
    assert "restart 1" in log_of(one)
    assert [session.get("ended") for session in records(one)[0]["sessions"]] == ["killed", None]
    assert steps_of(one) == sorted(set(steps_of(one)))


def test_two_copies_of_a_cell_take_turns(bench: Make, cluster: Slurm) -> None:
    """A node that SLURM lost may compute on: its cell is queued again elsewhere, and must wait."""
    one = bench()
    grid = one.start(*one.command, "--seeds", "0", "--set", "pause=0.5")
    wait_until(lambda: list(one.runs.glob("*/log.jsonl")))
    ((_, _, _, node),) = [words for words in one.jobs() if words[2] == "RUNNING"]
    cluster.kill_node(node)
    try:
        _, errors = grid.communicate(timeout=120)
    finally:
        cluster.start_node(node)
        cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
        cluster.wait_for_nodes()
    assert grid.returncode == 0, errors
    assert len(records(one)[0]["sessions"]) == 1, "only one of the two worked"
    assert steps_of(one) == sorted(set(steps_of(one)))


def test_what_slurm_refuses_is_told_in_its_words(bench: Make) -> None:
    one = bench()
    code, _, errors = one.grid("--set-executor", "partition=nowhere")
    assert code == 2
    assert "invalid partition" in errors
    assert "Traceback" not in errors
    assert not one.jobs()


def test_another_version_on_the_nodes_is_refused(bench: Make) -> None:
    one = bench()
    other = 'export PYTHONPATH="$HOME/other:$PYTHONPATH"'
    (one.folder / "other").mkdir()
    toy = next(Path(path) for path in one.environment["PYTHONPATH"].split(":")) / "bench_toy_model.py"
    newer = toy.read_text().replace("class Toy(Faulty):\n", "class Toy(Faulty):\n    version = 9\n")
    (one.folder / "other" / "bench_toy_model.py").write_text(newer)
    code, out, errors = one.grid("--seeds", "0", "--set-executor", f"setup={other}")
    assert code == 1, errors
    assert "was asked for" in out
    assert not one.runs.exists() or not list(one.runs.glob("*/checkpoint.pt"))
