"""Grids on a real Ray of two nodes, one of which is killed; skipped where Ray is not installed: `tox -e ray`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_plugin

from harness import claims
from harness.cell.logs import read_log
from harness.testing import check_executor

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'hagan-bench[ray]'")
# It speaks of its own future, and leaves files open for those of its processes.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head that computes nothing, and two nodes with a core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Nodes hand it on to their workers.
        patch.setenv("PYTHONPATH", toy_plugin.install(tmp_path_factory.mktemp("installed")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        cluster.nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, cluster: Any) -> Iterator[Start]:
    """Starts ``bench grid`` on the cluster; whatever lives at the end is killed."""
    (tmp_path / "mine.toml").write_text(toy_plugin.GRID)
    started: list[subprocess.Popen[str]] = []

    def grid(*arguments: str) -> subprocess.Popen[str]:
        settings = (f"address={cluster.address}", "cores=1", "gpus=0")
        options = [word for one in settings for word in ("--set-executor", one)]
        started.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "harness",
                    "grid",
                    "mine.toml",
                    "--executor",
                    "ray",
                    *options,
                    *arguments,
                ],
                cwd=tmp_path,
                env=dict(os.environ),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield grid
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)
    return found


def sessions(tmp_path: Path) -> list[dict[str, Any]]:
    files = tmp_path.glob("results/runs/*/sessions.jsonl")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_asking_a_grid_to_end_saves_its_cells(start: Start, tmp_path: Path) -> None:
    grid = start("--seeds", "0", "--set", "pause=4")
    wait_until(lambda: list(tmp_path.glob("results/runs/*/log.jsonl")))
    grid.send_signal(signal.SIGTERM)
    _, errors = grid.communicate(timeout=60)
    assert grid.returncode == 86, errors
    assert "running (" in errors
    assert list(tmp_path.glob("results/runs/*/checkpoint.pt"))
    assert sessions(tmp_path)[-1]["ended"] == "saved on request"


def test_a_grid_that_is_killed_leaves_no_cell_behind(start: Start, tmp_path: Path) -> None:
    grid = start("--seeds", "0", "--set", "pause=4")
    wait_until(lambda: list(tmp_path.glob("results/runs/*/log.jsonl")))
    (pid,) = {json.loads(path.read_text())["pid"] for path in tmp_path.glob("results/runs/*/.holder.json")}
    grid.kill()
    wait_until(lambda: not claims.is_alive(pid))
    assert not list(tmp_path.glob("results/runs/*/record.json"))


def test_the_contract_is_kept(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.grid.executors.ray.config import RayConfig
    from harness.grid.executors.ray.executor import Ray

    monkeypatch.chdir(tmp_path)
    try:
        checked = check_executor(Ray, config=RayConfig(address=cluster.address, cores=1, gpus=0), seconds=90)
    finally:
        ray.shutdown()
    assert not checked.findings, checked.findings


def test_a_node_that_dies_costs_time_alone(start: Start, cluster: Any, tmp_path: Path) -> None:
    """Last of all: the cluster has one node less from here on."""
    grid = start("--set", "pause=0.5")
    wait_until(lambda: len(list(tmp_path.glob("results/runs/*/log.jsonl"))) == 2)
    cluster.remove_node(cluster.nodes[0], allow_graceful=False)
    out, errors = grid.communicate(timeout=300)
    assert grid.returncode == 0, out + errors
    assert "3 of 3 cells are done" in out
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/record.json")]
    assert sorted(record["spec"]["seed"] for record in records) == [0, 1, 2]
    assert sorted(len(record["sessions"]) for record in records) == [1, 1, 2], "one began twice"
    assert all(session["job"].startswith("ray:") for record in records for session in record["sessions"])
    for folder in tmp_path.glob("results/runs/*"):
        lines = read_log(folder / "log.jsonl")
        steps = [line["step"] for line in lines if "losses" in line]
        assert steps == sorted(set(steps)), "a step was logged twice"
        assert [line["epoch"] for line in lines if "scores" in line] == [2, 4]
