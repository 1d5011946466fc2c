"""A grid of one cell a model, each with its own length, and its records."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: Settings that count the epochs of a first stage.
STAGES = {"hagan": "warmup_epochs", "unetgan": "mix_warmup_epochs"}
#: A thousand steps for each sample would outlast the training.
FAST_SAMPLES = {"ddpm": 'sampler = "ddim", sampling_steps = 50', "ldm": "sampling_steps = 50"}


class Cells(NamedTuple):
    """What all cells have in common.

    Attributes:
        images: Folder of pictures.
        models: One cell for each.
        device: Where all of them train at the same time.
        scores: Their metrics; the first one selects.
    """

    images: Path
    models: Sequence[str]
    device: str
    scores: Sequence[str]


def run_grid(cells: Cells, folder: Path, lengths: Mapping[str, int], seed: int) -> dict[str, dict[str, Any]]:
    """Run all cells at once; records of those that were completed, by model, with their folders' names."""
    grid = folder / f"seed-{seed}.toml"
    grid.write_text(_grid(cells, lengths, seed))
    command = [
        sys.executable, "-m", "harness", "grid", str(grid),
        "--results", str(folder), "--cache", str(folder / "cache"), "--data-root", str(cells.images),
        "--device", cells.device, "--per-device", str(len(cells.models)), "--jobs", str(len(cells.models)),
    ]  # fmt: skip
    subprocess.run(command, check=False)
    found = {}
    for path in sorted((folder / "runs").glob("*/record.json")):
        record = json.loads(path.read_text())
        if record["status"] == "complete" and record["spec"]["seed"] == seed:
            found[record["spec"]["model"]["name"]] = {**record, "folder": path.parent.name}
    return found


def _grid(cells: Cells, lengths: Mapping[str, int], seed: int) -> str:
    lines = [
        'title = "One cell a model"',
        f"models = {json.dumps([name for name in cells.models if name in lengths])}",
        'datasets = "folder"',
        "resolutions = [64]",
        f"seeds = [{seed}]",
        "[settings]",
        f'metrics = "{",".join(cells.scores)}"',
    ]
    for name, epochs in lengths.items():
        settings = {"epochs": epochs, "evaluate_every": epochs}
        if name in STAGES:
            settings[STAGES[name]] = epochs // 2
        pairs = ", ".join(f"{key} = {value}" for key, value in settings.items())
        if name in FAST_SAMPLES:
            pairs += f", {FAST_SAMPLES[name]}"
        lines += ["[[overrides]]", f'model = "{name}"', f"settings = {{ {pairs} }}"]
    return "\n".join(lines) + "\n"
