"""A third party's distribution: built, installed, found and run, without a line of the core knowing it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path


def test_installed_plugin_runs_a_cell(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(Path(__file__).parents[1] / "plugin_example", source)
    site = tmp_path / "site"
    installer = [sys.executable, "-m", "pip"]
    if subprocess.run([*installer, "--version"], capture_output=True).returncode:
        installer = ["uv", "pip"]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*installer, "install", *options, str(source)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def bench(*arguments: str) -> str:
        answer = subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    assert "bench-example 0.3.0" in bench("list", "models")
    assert "length of the noise" in bench("show", "model", "linear-gan")
    cell = ["--model", "linear-gan", "--dataset", "discs", "--res", "16", "--preset", "smoke"]
    out = bench("run", *cell, "--metrics", "brightness,swd")
    assert "complete" in out
    (record,) = tmp_path.glob("results/runs/*/record.json")
    written = json.loads(record.read_text())
    assert set(written["scores"]["best"]) == {"brightness", "swd"}
    assert written["plugins"]["models"] == {"linear-gan": "bench-example 0.3.0"}
    assert written["plugins"]["metrics"]["swd"].startswith("hagan-bench ")
