"""A grid of ten thousand cells: listed, handed to a real SLURM, found there again, watched, and cancelled.

    python benchmarks/many_cells.py [--cells 10000]

SLURM runs on this machine alone, with two nodes, and holds every job: no cell is computed. Its commands are
counted by scripts of their names that stand before them on PATH. Wants root and SLURM's four packages, as the
tests do.
Regenerates ``many_cells.json`` and ``many_cells.md`` in ``benchmarks/results`` in about three minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import _report

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
import slurm_here

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel", "sinfo")
WATCHED_SECONDS = 45.0
WANTED = {"seconds": 10.0, "mib": 300.0, "questions": 12}


class Bench:
    """The command line, with SLURM's commands counted."""

    def __init__(self, home: Path, cluster: slurm_here.Slurm, cells: int) -> None:
        self.home = home
        (home / "many.toml").write_text(
            'models = ["dcgan"]\ndatasets = ["phantom"]\nresolutions = [64]\npresets = ["smoke"]\n'
            f'settings = {{ metrics = "swd" }}\nseeds = {list(range(cells))}\n'
        )
        (home / "config.toml").write_text('[executor.slurm]\ngpus = 0\noptions = ["--hold"]\n')
        (home / "counted").mkdir()
        for name in COMMANDS:
            script = home / "counted" / name
            script.write_text(
                f'#!/bin/sh\necho "$(date +%s.%N) {name}" >>{home}/asked\nexec {shutil.which(name)} "$@"\n'
            )
            script.chmod(0o755)
        self.environment = {
            **os.environ,
            **cluster.environment,
            "PATH": f"{home / 'counted'}:{os.environ['PATH']}",
            "HAGAN_BENCH_CONFIG": str(home / "config.toml"),
            "HAGAN_BENCH_CACHE": str(home / "cache"),
        }

    def run(self, *arguments: str, seconds: float | None = None) -> dict[str, Any]:
        """What a command costs; it is ended after so many seconds, where they are given."""
        (self.home / "asked").write_text("")
        words = [sys.executable, "-m", "harness", *arguments]
        began = time.perf_counter()
        with (self.home / "said").open("wb") as said:
            process = subprocess.Popen(
                words, cwd=self.home, env=self.environment, stdout=said, stderr=subprocess.STDOUT
            )
        if seconds is not None:
            time.sleep(seconds)
            process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(process.pid, 0)
        spent = time.perf_counter() - began
        code = os.waitstatus_to_exitcode(status)
        text = (self.home / "said").read_text()
        if code not in (0, 86):
            raise SystemExit(f"{' '.join(arguments)} ended with {code}:\n{text[-2000:]}")
        asked = [line.split() for line in (self.home / "asked").read_text().splitlines()]
        times = [float(when) for when, name in asked if name == "squeue"]
        return {
            "seconds": spent,
            "processor_seconds": usage.ru_utime + usage.ru_stime,
            "mib": usage.ru_maxrss / 1024,
            "questions": len(asked),
            "squeue_apart": min((b - a for a, b in pairwise(times)), default=None),
            "said": text.splitlines()[-1],
        }


def finish(results: Path, cells: int) -> None:
    """Records of so many cells, the least that they can be."""
    from handmade import plain_record

    from harness.cell.records import RunFolder

    for number in range(cells):
        identity = f"{number:064x}"[::-1]
        folder = RunFolder(results / "runs" / f"m-d-8-s{number}-{identity[:8]}")
        folder.path.mkdir(parents=True)
        folder.write_record(plain_record(identity))


def measure(home: Path, cells: int) -> dict[str, Any]:
    """What each command costs."""
    cluster = slurm_here.Slurm(home / "slurm")
    try:
        cluster.start()
        bench = Bench(home, cluster, cells)
        grid = ("grid", "many.toml")
        on_slurm = (*grid, "--executor", "slurm")
        numbers = {
            "first listing": bench.run(*grid, "--dry-run"),
            "listing": bench.run(*grid, "--dry-run"),
            "submitting": bench.run(*on_slurm, "--detach"),
            "finding again": bench.run(*on_slurm, "--detach"),
            "watching": bench.run(*on_slurm, "--watch", seconds=WATCHED_SECONDS),
            "cancelling": bench.run(*on_slurm, "--cancel"),
        }
        # Not here: it imports torch, and what a process starts with counts as memory of those that it starts.
        writer = multiprocessing.get_context("spawn").Process(target=finish, args=(home / "done", cells))
        writer.start()
        writer.join()
        numbers["status, all done"] = bench.run("status", "--results", "done")
        assert numbers["finding again"]["said"].startswith("to finish"), numbers
        return numbers
    finally:
        cluster.stop()


def main() -> None:
    """Do it, and publish it."""
    parser = _report.arguments(__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    options: argparse.Namespace = parser.parse_args()
    if why := slurm_here.missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)  # SLURM's daemons want their folder to be everybody's to enter
        numbers = measure(home, options.cells)
    seconds, mib = WANTED["seconds"], WANTED["mib"]
    rows = [
        (
            name,
            f"{one['seconds']:.1f} s",
            f"{one['processor_seconds']:.1f} s",
            f"{one['mib']:.0f} MiB",
            one["questions"],
        )
        for name, one in numbers.items()
    ]
    light = [numbers["listing"], numbers["finding again"]]
    apart = numbers["watching"]["squeue_apart"]
    verdicts = [
        all(one["seconds"] < WANTED["seconds"] for one in light),
        all(one["mib"] < WANTED["mib"] for one in (*light, numbers["watching"])),
        numbers["submitting"]["questions"] <= WANTED["questions"],
        apart is not None and apart >= 10.0,
    ]
    words = ["no", "yes"]
    text = f"""# A grid of {options.cells:,} cells, measured

Made by `python benchmarks/many_cells.py` on a real SLURM of two nodes that holds every job;
{_report.machine_words()}

{_report.table(("what", "from start to end", "processor time", "largest process", "commands of SLURM"), rows)}

The first listing has a helper that imports torch; later ones know the plan. Before cells are submitted they
are identified anew, with their weights looked for, by such a helper too. Watching lasted
{WATCHED_SECONDS:.0f} s, and two `squeue` were {apart:.1f} s apart at least.

| wanted | reached |
|---|---|
| a known grid is listed, and found in the queue, in less than {seconds:.0f} s | {words[verdicts[0]]} |
| and, watched too, with less than {mib:.0f} MiB | {words[verdicts[1]]} |
| submitting takes {WANTED["questions"]} commands at most | {words[verdicts[2]]} |
| watching asks once in ten seconds at most | {words[verdicts[3]]} |
"""
    _report.publish("many_cells", {"cells": options.cells, **numbers}, text)


if __name__ == "__main__":
    main()
