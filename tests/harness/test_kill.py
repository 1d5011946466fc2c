"""Kill it anywhere: nothing is lost, nothing half-written is believed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.minutes

SMOKE = ["run", "--model", "dcgan", "--dataset", "phantom", "--res", "32", "--preset", "smoke"]
SHORT = [
    "--set",
    "width=64",
    "--set",
    "limit=16",
    "--set",
    "batch_size=8",
    "--epochs",
    "6",
    "--set",
    "dataset.images=32",
]


def run(results: Path, cache: Path, *options: str, kill_at: int | None = None) -> int:
    """Run the smoke cell in a process of its own; kill it once its log has so many lines."""
    places = ["--results", str(results), "--cache", str(cache)]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *SMOKE, *SHORT, *places, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if kill_at is not None:
        while process.poll() is None and lines(results) < kill_at:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    return process.wait(timeout=300)


def lines(results: Path) -> int:
    return sum(len(log.read_bytes().splitlines()) for log in results.glob("runs/*/log.jsonl"))


def test_smoke_cell_killed_three_times_ends_with_the_same_networks(tmp_path: Path) -> None:
    assert run(tmp_path / "whole", tmp_path / "cache") == 0
    (whole,) = tmp_path.glob("whole/runs/*")
    last = lines(tmp_path / "whole")
    seed = os.environ.get("BENCH_KILL_SEED") or str(random.SystemRandom().randrange(10**6))
    # Anywhere but the end: in the first epoch, between a step and its evaluation, behind an evaluation.
    moments = sorted(random.Random(seed).sample(range(1, last), 3))
    print(f"killed once the log has {moments} of {last} lines; the same again: BENCH_KILL_SEED={seed}")
    # Its batches stream from the disk, and those of the whole one lie in memory: that changes nothing either.
    cut_short = tmp_path / "cut", tmp_path / "cache", "--device-memory=0"
    for moment in moments:
        assert run(*cut_short, kill_at=moment) == -signal.SIGKILL
    assert run(*cut_short) == 0
    (cut,) = tmp_path.glob("cut/runs/*")
    assert (cut / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()
    assert (cut / "samples.png").read_bytes() == (whole / "samples.png").read_bytes()
    assert (cut / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    assert not list(cut.glob(".*.part"))
