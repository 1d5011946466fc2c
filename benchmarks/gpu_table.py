"""A whole comparison on one CUDA device in the minutes that there are: COVID-CT at 64 px, one seed.

Where the raw files are, once: 397 small pictures and whose they are, 1 MB that carries nothing else.

    python benchmarks/gpu_table.py --prepare FOLDER --data-root COVID-CT

Where the device is, without weights and without a network:

    pip install --no-deps . && python benchmarks/gpu_table.py --images FOLDER --minutes 8

All models train at the same time, each in a process of its own. A first short round tells how many epochs of
each fit into the minutes, half of them in a second stage where a model has one; the second round is the
comparison. It ends with the table, records, logs and samples in ``--out``, without networks. ``--device cpu
--minutes 1 --models dcgan`` rehearses it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _report
import pandas as pd
from _timed_grids import Cells, run_grid

from harness.data.image_set import ImageSet
from harness.data.pictures import save_png
from harness.data.prepare import prepare
from harness.running.datasets import make_dataset

SIDE, BATCH = 64, 32
#: Not all that there are: thirteen at once want more memory than 80 GB, and dear ones slow the others down.
MODELS = ("hagan", "dcgan", "infogan", "wgan", "sagan", "unetgan", "ddpm")
SCORES = ("swd", "frd", "kid_radiomics", "ms_ssim")
TRIAL_EPOCHS = 4
#: What final samples, scores and starting cost of the minutes.
AROUND = 60.0


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--prepare", type=Path, help="write the pictures into this folder, and stop")
    parser.add_argument("--data-root", type=Path, help="COVID-CT's raw files")
    parser.add_argument("--images", type=Path, help="the folder that --prepare wrote")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--minutes", type=float, default=5.0, help="for all of it, starting included")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--out", type=Path, default=_report.RESULTS / "gpu-table")
    options = parser.parse_args()
    if options.prepare:
        write_pictures(options.prepare, options.data_root)
        return
    ends = time.monotonic() + 60 * options.minutes
    models = options.models.split(",")
    cells = Cells(options.images, models, options.device, SCORES)
    with tempfile.TemporaryDirectory() as folder:
        trial = run_grid(cells, Path(folder), {name: TRIAL_EPOCHS for name in models}, seed=1)
        paces = {name: record["timing"]["train"] / TRIAL_EPOCHS for name, record in trial.items()}
        print(f"seconds an epoch: {json.dumps(paces)}", flush=True)
        left = ends - time.monotonic() - AROUND
        lengths = {name: max(TRIAL_EPOCHS, int(left / pace)) for name, pace in paces.items()}
        records = run_grid(cells, Path(folder), lengths, seed=0)
        keep(Path(folder), options.out, records)
    table = rows(records, lengths)
    numbers = {"lengths": lengths, "paces": paces, "table": table}
    missing = [name for name in models if name not in records]
    _report.publish(
        "gpu-table", numbers, page(table, missing, options), out=options.out, device=options.device
    )


def write_pictures(folder: Path, root: Path | None) -> None:
    """The images of COVID-CT as PNG files of 64 px, and a table of patients by number."""
    dataset = make_dataset("covid-ct", {}, root)
    with tempfile.TemporaryDirectory() as cache:
        images: ImageSet = prepare(dataset, "covid-ct", [SIDE], Path(cache))[SIDE]
        known = {name: f"p{n:03d}" for n, name in enumerate(dict.fromkeys(images.table["patient"]))}
        lines = []
        for number, (pixels, row) in enumerate(
            zip(images.images, images.table.to_dict("records"), strict=True)
        ):
            save_png(folder / f"{number:03d}.png", pixels)
            lines.append(
                {"file": f"{number:03d}.png", "patient": known[row["patient"]], "split": row["split"]}
            )
    pd.DataFrame(lines).to_csv(folder / "patients.csv", index=False)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(lines)} pictures of {len(known)} patients, {size / 1e6:.1f} MB, in {folder}")


def keep(results: Path, out: Path, records: Mapping[str, dict[str, Any]]) -> None:
    """Copy what others may read of the second round: records, logs and samples."""
    for record in records.values():
        source = results / "runs" / record["folder"]
        (out / "runs" / source.name).mkdir(parents=True, exist_ok=True)
        for name in ("record.json", "spec.json", "log.jsonl", "sessions.jsonl"):
            if (source / name).exists():
                shutil.copy(source / name, out / "runs" / source.name / name)
        # samples.png has real images beside the generated ones: samples alone are drawn anew.
        done = subprocess.run(
            [sys.executable, "-m", "harness", "sample", source.name, "--count", "36", "--out",
             str(out / "samples" / source.name), "--results", str(results)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            print(f"no samples of {source.name}: {done.stderr.strip()}", flush=True)


def rows(records: Mapping[str, dict[str, Any]], lengths: Mapping[str, int]) -> list[dict[str, Any]]:
    """A row for each model, by its first score."""
    found = [
        {
            "model": name,
            "epochs": lengths[name],
            "steps": record["steps"],
            "seconds": record["timing"]["train"],
            **{score: record["scores"]["best"].get(score) for score in (*SCORES, "ms_ssim_gap")},
        }
        for name, record in records.items()
    ]
    return sorted(found, key=lambda row: (row[SCORES[0]] is None, row[SCORES[0]]))


def page(table: list[dict[str, Any]], missing: list[str], options: Any) -> str:
    scores = ("swd", "frd", "kid_radiomics", "ms_ssim_gap")
    lines = [
        [row["model"], row["steps"], f"{row['seconds']:.0f}",
         *("" if row[score] is None else f"{row[score]:.4g}" for score in scores)]
        for row in table
    ]  # fmt: skip
    parts = [
        "# A comparison on one GPU",
        f"COVID-CT at {SIDE} px, batches of {BATCH}, one seed; made by `python benchmarks/gpu_table.py "
        f"--minutes {options.minutes:g}`. {_report.machine_words(options.device)}",
        "All trained at the same time on one device, for as long as each other: cheap models took more "
        "steps. One seed ranks nothing, and the lengths are a fraction of the published ones.",
        _report.table(["model", "steps", "seconds of training", *(f"{score} ↓" for score in scores)], lines),
    ]
    if missing:
        parts.append(f"Without a record: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
