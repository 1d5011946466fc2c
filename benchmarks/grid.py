"""What a grid costs beyond its cells, and tables from many records.

    python benchmarks/grid.py [--cells 40] [--records 10000]

The same smoke cells are computed by ``bench grid`` and by as many bare processes, one a cell, on the same
slots, in alternating blocks. Then records are copied until there are many: reading them into a table, and
writing one more. Linux only. Nothing else should run meanwhile. Regenerates ``grid.json`` and ``grid.md`` in
``benchmarks/results`` in about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import _report

from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.data.prepare import usable_cores
from harness.files import write_json
from harness.grid.definition import load_grid
from harness.grid.jobs import pack
from harness.tables.scores import score_sheet
from harness.tables.sheets import render
from harness.tables.survey import survey

BENCH = (sys.executable, "-m", "harness")
BLOCKS = 4
SETTINGS = {"width": 64}
TARGETS = {"overhead": 0.10, "memory_mib": 300.0, "table_seconds": 5.0, "command_seconds": 2.5}


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=usable_cores())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        numbers = {**compare(here, options), **many_records(here, options.records)}
    report(options, numbers)


def compare(here: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of blocks of cells, by a grid and by bare processes."""
    bare_run(here, "first", [0], 1)  # prepares the images for both
    grids, bares, memory = [], [], 0.0
    size = options.cells // BLOCKS
    for block in range(BLOCKS):
        seeds = range(block * size, (block + 1) * size)
        sides = [
            lambda seeds=seeds: grids.append(grid_run(here, seeds, options.slots)),
            lambda seeds=seeds: bares.append(bare_run(here, "bare", seeds, options.slots)),
        ]
        for side in sides if block % 2 else reversed(sides):
            side()
    memory = max(peak for _, peak in grids)
    seconds = [spent for spent, _ in grids]
    return {
        "grid_seconds": seconds,
        "bare_seconds": bares,
        "overhead": statistics.median(g / b for g, b in zip(seconds, bares, strict=True)) - 1,
        "memory_mib": memory,
    }


def grid_run(here: Path, seeds: Sequence[int], slots: int) -> tuple[float, float]:
    """Seconds of a grid of smoke cells, and the peak of its own process in MiB."""
    command = [
        *BENCH, "grid", "table2", "--models=dcgan", "--datasets=phantom", "--preset=smoke", "--device=cpu",
        f"--seeds={','.join(map(str, seeds))}", f"--jobs={slots}", f"--results={here / 'grid'}",
        f"--cache={here / 'cache'}", *(f"--set={name}={value}" for name, value in SETTINGS.items()),
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_mib(process.pid))
        time.sleep(0.05)
    check(process.returncode, process.stderr)
    return time.perf_counter() - started, peak


def bare_run(here: Path, results: str, seeds: Sequence[int], slots: int) -> float:
    """Seconds of the same cells, each a process, as many at a time as there are slots."""
    threads = max(1, usable_cores() // slots)

    def one(seed: int) -> None:
        request = RunRequest("dcgan", "phantom", 64, seed, SETTINGS, ("smoke",))
        verb, job = pack(request, here / results, here / "cache")
        command = [*BENCH, verb, "--device=cpu", f"--threads={threads}", job]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process.wait()
        check(process.returncode, process.stderr)

    started = time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(one, seeds))
    return time.perf_counter() - started


def many_records(here: Path, count: int) -> dict[str, Any]:
    """Seconds of writing a record beside few and many others, and of reading many into a table."""
    store = Store(here / "grid")
    (folder, record), *_ = store.records()
    few = statistics.median(timed(lambda: folder.write_record(record)) for _ in range(20))
    for seed in range(1000, 1000 + count - len(store.folders())):
        spec = record.spec.model_copy(update={"seed": seed})
        copy = store.folder(spec)
        copy.path.mkdir()
        write_json(copy.spec, spec.model_dump(mode="json"))
        copy.write_record(record.model_copy(update={"spec": spec, "identity": spec.identity}))
    grid = here / "grid.toml"
    grid.write_text(
        'title = "Many records"\nmodels = ["dcgan"]\ndatasets = ["phantom"]\nresolutions = [64]\n'
        f'settings = {{ width = {SETTINGS["width"]} }}\ntable.scores = ["swd", "ms_ssim_gap"]\n'
    )
    assert f"over {count} seeds" in sheet(store, grid)
    many = statistics.median(timed(lambda: folder.write_record(record)) for _ in range(20))
    return {
        "records": count,
        "write_beside_few_seconds": few,
        "write_beside_many_seconds": many,
        "table_seconds": statistics.median(timed(lambda: sheet(store, grid)) for _ in range(3)),
        "command_seconds": statistics.median(timed(lambda: command(store, grid)) for _ in range(3)),
    }


def sheet(store: Store, grid: Path) -> str:
    """The table of a grid, from files to text."""
    return render(score_sheet(load_grid(str(grid)), survey(store)), "md")


def command(store: Store, grid: Path) -> str:
    """The same by ``bench table``, its start included."""
    words = [*BENCH, "table", str(grid), f"--results={store.root}", f"--cache={store.root.parent / 'cache'}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_mib(pid: int) -> float:
    """The most memory that a process has had so far; its children are others."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def check(code: int | None, errors: Any) -> None:
    if code != 0:
        raise SystemExit(f"a command ended with {code}: {errors.read().decode()}")


def report(options: argparse.Namespace, numbers: dict[str, Any]) -> None:
    rows = [
        ("overhead", f"a grid of {options.cells} cells, beyond the same cells as bare processes", "{:.1%}"),
        ("memory_mib", "peak memory of the grid's own process", "{:.0f} MiB"),
        ("table_seconds", f"reading {options.records} records into a table", "{:.2f} s"),
        ("command_seconds", f"`bench table` of {options.records} records, its start included", "{:.2f} s"),
    ]
    table = "\n".join(
        f"| {what} | {form.format(numbers[name])} | ≤ {form.format(TARGETS[name])} "
        f"| {'yes' if numbers[name] <= TARGETS[name] else 'no'} |"
        for name, what, form in rows
    )
    few, many = (numbers[f"write_beside_{name}_seconds"] * 1000 for name in ("few", "many"))
    text = f"""# Grids, measured

Made by `python benchmarks/grid.py`: smoke cells of DCGAN on the phantom, {options.slots} at a time, in
{BLOCKS} alternating blocks ({sum(numbers["grid_seconds"]):.0f} s by grids,
{sum(numbers["bare_seconds"]):.0f} s by bare processes);
{_report.machine_words()}

| what | measured | wanted | reached |
|---|---:|---:|---|
{table}

Writing a record takes {few:.2f} ms beside {options.cells} others and {many:.2f} ms beside {options.records}.
`bench table` knows what plugins say, as from the second time on.
"""
    _report.publish("grid", {"cells": options.cells, **numbers}, text)


if __name__ == "__main__":
    main()
