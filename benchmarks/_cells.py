"""What a cell costs around its steps, and how long commands take to start. Part of ``training.py``."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from _loops import spread

from harness.cell.records import Store
from harness.cli import main as bench
from harness.plugins import Registry
from harness.training.loop import Trainer

BENCH = [sys.executable, "-m", "harness"]
#: What every program that trains begins with: torch, and what its first optimiser imports.
FIRST_OPTIMIZER = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
SMOKE = ["run", "--model=hagan", "--dataset=phantom", "--res=64", "--preset=smoke", "--device=cpu"]


def measure_cells(folder: Path) -> dict[str, Any]:
    """A real cell of the cheapest convolutional model, for what happens outside its steps; HAGAN's memory."""
    short = {"model": "dcgan", "epochs": 20, "extra": []}
    large = {"model": "hagan", "epochs": 2, "extra": ["--set=warmup_epochs=0"]}
    found = {}
    for what in (short, large):
        found[what["model"]] = run_under_terminal(folder, what)
        print(f"cell of {what['model']}: {found[what['model']]}", flush=True)
    return found


def run_under_terminal(folder: Path, cell: dict[str, Any]) -> dict[str, Any]:
    """A cell in a process of its own that believes in a terminal, and so draws its bar."""
    settings = json.dumps({**cell, "folder": str(folder)})
    script = str(Path(__file__).with_name("training.py"))
    command = [sys.executable, script, "--part", "cell", "--settings", settings]
    screen, terminal = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, text=True)
    os.close(terminal)
    shown: list[bytes] = []
    reader = threading.Thread(target=drain, args=(screen, shown))
    reader.start()
    output, _ = process.communicate()
    reader.join()
    os.close(screen)
    if process.returncode != 0:
        return {"error": b"".join(shown).decode(errors="replace").strip().splitlines()[-1]}
    return json.loads(output.splitlines()[-1])


def drain(screen: int, shown: list[bytes]) -> None:
    try:
        while data := os.read(screen, 65536):
            shown.append(data)
    except OSError:  # a terminal that nobody holds any more ends so on Linux
        pass


def run_cell(model: str, epochs: int, extra: list[str], folder: str) -> dict[str, Any]:
    """Run a cell in this process, with a watch on its steps, its evaluations and its training as a whole."""
    seconds = {"train_step": 0.0, "evaluate": 0.0, "fit": 0.0}
    steps = 0

    def watched(owner: Any, name: str, function: Any) -> None:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += name == "train_step"
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += time.perf_counter() - started

        setattr(owner, name, call)

    kind = Registry().load("models", model)
    watched(kind, "train_step", kind.train_step)
    start = Trainer.fit

    def fit(trainer: Trainer, *arguments: Any) -> None:
        watched(trainer, "evaluate", trainer.evaluate)
        start(trainer, *arguments)

    watched(Trainer, "fit", fit)
    sys.argv = [
        "bench", "run", f"--model={model}", "--dataset=phantom", "--res=64", "--set=dataset.images=320",
        "--set=batch_size=32", f"--epochs={epochs}", f"--set=evaluate_every={epochs}",
        "--metrics=swd,ms_ssim", f"--results={folder}/cells", f"--cache={folder}/cache", "--device=cpu",
        *extra,
    ]  # fmt: skip
    try:
        bench()
    except SystemExit as end:  # a command line ends so in any case
        if end.code:
            raise
    around = seconds["fit"] - seconds["evaluate"] - seconds["train_step"]
    return {
        "steps": steps,
        "outside_share": around / (seconds["fit"] - seconds["evaluate"]),
        "outside_ms_per_step": 1000 * around / steps,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_starts(folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds of commands that do nothing long, and of a smoke cell outside training and scoring."""
    here = [f"--results={folder}/smoke", f"--cache={folder}/cache"]
    found = {
        "help_seconds": spread([seconds_of(["--help"]) for _ in range(repeats)]),
        "torch_seconds": spread([seconds_of_python("import torch") for _ in range(repeats)]),
        "optimizer_seconds": spread([seconds_of_python(FIRST_OPTIMIZER) for _ in range(repeats)]),
        "dry_run_seconds": spread([seconds_of([*SMOKE, *here, "--dry-run"]) for _ in range(repeats)]),
    }
    whole = seconds_of([*SMOKE, *here])
    ((_, record),) = Store(folder / "smoke").records()
    timing = record.timing
    found["smoke_seconds"] = whole
    found["smoke_prepare_seconds"] = timing["prepare"]
    found["smoke_outside_seconds"] = whole - timing["train"] - timing["score"]
    return found


def seconds_of(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([*BENCH, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def seconds_of_python(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - started


def limits(cells: dict[str, Any], start: dict[str, Any]) -> list[list[object]]:
    """What has a ceiling: (words, measured, ceiling, whether it is kept)."""
    found: list[tuple[str, float, float, str]] = []
    if "outside_share" in cells.get("dcgan", {}):
        cell = cells["dcgan"]
        what = f"wall time outside the step over {cell['steps']} steps of a DCGAN cell"
        found.append((what, cell["outside_share"], 0.03, "{:.2%}"))
    if "peak_mib" in cells.get("hagan", {}):
        what = "peak memory of a HAGAN cell at 64 px and batch 32, evaluation included"
        found.append((what, cells["hagan"]["peak_mib"], 1536, "{:.0f} MiB"))
    if start:
        torch, optimizer = start["torch_seconds"]["median"], start["optimizer_seconds"]["median"]
        found += [
            ("`bench --help`", start["help_seconds"]["median"], 0.5, "{:.2f} s"),
            (
                f"`bench run --dry-run` (importing torch alone: {torch:.2f} s)",
                start["dry_run_seconds"]["median"],
                1.5,
                "{:.2f} s",
            ),
            (
                f"a smoke cell outside training and scoring (torch and its first optimiser alone: "
                f"{optimizer:.2f} s; drawing the phantom: {start['smoke_prepare_seconds']:.2f} s)",
                start["smoke_outside_seconds"],
                5.0,
                "{:.2f} s",
            ),
        ]
    errors: list[list[object]] = [
        [f"cell of {name}", cell["error"], "", "**no**"] for name, cell in cells.items() if "error" in cell
    ]
    return errors + [
        [what, form.format(value), f"≤ {form.format(limit)}", "yes" if value <= limit else "**no**"]
        for what, value, limit, form in found
    ]
