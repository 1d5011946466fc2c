"""Speed and memory of preparing volumes, beside merely loading the same files with nibabel.

    python benchmarks/preparation.py --data-root BRATS2018 [--cases 36] [--workers 2]

The cases that are there are linked under other names until there are ``--cases`` of them. Both sides read
every file in as many processes, from a warm page cache; preparing pays for starting its processes, loading
does not. Memory is what reading one volume adds to a process. Linux only. Nothing else should run
meanwhile. Regenerates ``preparation.json`` and ``preparation.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import _report
import nibabel
import numpy as np

from harness.api import Dataset
from harness.data.prepare import prepare, usable_cores
from harness.data.reading import load

MODALITY = "flair"


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    # Here and not above, as in the command line: processes that read import this file, and need no torch.
    from harness.plugins import Registry
    from harness.running.resolve import make_dataset

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "raw"
        files = link_cases(options.data_root, root, options.cases)
        dataset = make_dataset(Registry(), "brats2018", {"modality": MODALITY}, root)
        loading, preparing = [], []
        with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
            load_all(files, pool)
            for repeat in range(options.repeats):  # alternating, so that a busy machine is busy for both
                cache = Path(folder) / f"cache{repeat}"
                loading.append(seconds(lambda: load_all(files, pool)))
                preparing.append(seconds(lambda: prepare_all(dataset, cache, options.workers)))  # noqa: B023
        peaks = (
            peak_mib(lambda: load_one(files[0])),
            peak_mib(lambda: load(dataset, (64, 256), dataset.items()[0])),
        )
        shape = nibabel.load(files[0]).shape
    report(options, shape, loading, preparing, peaks)


def link_cases(source: Path, root: Path, count: int) -> list[Path]:
    """Cases under new names, ``count`` in all; returns their volumes."""
    originals = sorted(source.rglob(f"*_{MODALITY}.nii.gz"))
    files = []
    for number in range(count):
        case = f"Brats18_BENCH_{number:03d}_1"
        file = root / "HGG" / case / f"{case}_{MODALITY}.nii.gz"
        file.parent.mkdir(parents=True)
        file.symlink_to(originals[number % len(originals)].resolve())
        file.read_bytes()
        files.append(file)
    return files


def load_all(files: list[Path], pool: ProcessPoolExecutor) -> None:
    list(pool.map(load_one, files))


def load_one(path: Path) -> float:
    """All voxels in memory, in the type that is cheapest for nibabel."""
    return float(np.asanyarray(nibabel.load(path).dataobj)[0, 0, 0])


def prepare_all(dataset: Dataset, cache: Path, workers: int) -> None:
    prepare(dataset, "brats2018", [64, 256], cache, workers=workers)


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_mib(work: Callable[[], object]) -> float:
    """The most memory that ``work`` needs at any time, beyond what this process has before."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = memory_mib("VmRSS")
    work()
    return memory_mib("VmHWM") - before


def memory_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def report(
    options: Any,
    shape: tuple[int, ...],
    loading: list[float],
    preparing: list[float],
    peaks: tuple[float, float],
) -> None:
    load, ready = statistics.median(loading), statistics.median(preparing)
    volume = float(np.prod(shape)) * 4 / 2**20
    numbers = {
        "cases": options.cases,
        "workers": options.workers,
        "loading_seconds": loading,
        "preparing_seconds": preparing,
        "relative_speed": load / ready,
        "volume_mib": volume,
        "loading_peak_mib": peaks[0],
        "preparing_peak_mib": peaks[1],
    }
    text = f"""# Preparing BraTS2018 volumes

{options.cases} volumes of {" x ".join(map(str, shape))} ({volume:.0f} MiB as float32),
{options.workers} processes, median of {options.repeats} alternating runs.
Preparing pays for the start of its processes, loading does not.

| | seconds | volumes/s | peak memory of a process, beyond imported libraries |
|---|---|---|---|
| nibabel, loading only | {load:.2f} | {options.cases / load:.1f} | {peaks[0]:.0f} MiB |
| preparing 64 and 256 px | {ready:.2f} | {options.cases / ready:.1f} | {peaks[1]:.0f} MiB |

Preparation runs at {load / ready:.0%} of the speed of loading.
"""
    _report.publish("preparation", numbers, text)


if __name__ == "__main__":
    main()
