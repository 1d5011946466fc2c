"""Speed and memory of preparing volumes and DICOM files, beside merely loading the same files.

    python benchmarks/preparation.py --data-root BRATS2018 [--cases 36] [--dicom 1000] [--workers 2]

The cases that are there are linked under other names until there are ``--cases`` of them; DICOM files of 512
x 512 pixels are made, a hundred for each patient, uncompressed and with a window. Both sides read every file
in as many processes, from a warm page cache: with nibabel all voxels; with pydicom once the stored numbers
(``pixel_array``), and once the greys that are prepared, by its own modality LUT and window. Preparing at 64
and 256 px pays for starting its processes, for reading headers to tell patients, and for hashing the files;
loading does not. Each kind of file has a process of its own, as a command is one. Memory is what reading one
file adds to a process. Linux only. Sides alternate, so that a busy machine is busy for both; how busy it was
is written down. Regenerates ``preparation.json`` and ``preparation.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import _report
import numpy as np

from harness.processes import usable_cores

MODALITY = "flair"
_HEAD = (
    "files", "loading, files/s", "preparing, files/s", "relative speed", "the same alone", "memory, loading",
    "memory, preparing",
)  # fmt: skip


class Comparison(NamedTuple):
    """One kind of file: what loads one, and which data set prepares all."""

    what: str
    files: list[Path]
    load_one: Callable[[Path], float]
    dataset: tuple[str, dict[str, Any], Path]


class Side(NamedTuple):
    """Seconds and memory of one kind of file, loaded only and prepared."""

    what: str
    files: int
    loading: list[float]
    preparing: list[float]
    loading_peak: float
    preparing_peak: float
    loading_work: list[float]
    preparing_work: list[float]


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--dicom", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    import nibabel

    with tempfile.TemporaryDirectory() as folder:
        volumes, slices = Path(folder) / "volumes", Path(folder) / "dicom"
        cases = link_cases(options.data_root, volumes, options.cases)
        made = make_dicom(slices, options.dicom)
        comparisons = [
            Comparison(
                f"volumes of {' x '.join(map(str, nibabel.load(cases[0]).shape))}",
                cases,
                load_volume,
                ("brats2018", {"modality": MODALITY}, volumes),
            ),
            Comparison("DICOM files of 512 x 512, to their greys", made, load_greys, ("folder", {}, slices)),
            Comparison(
                "DICOM files of 512 x 512, to their stored numbers", made, load_dicom, ("folder", {}, slices)
            ),
        ]
        sides = [in_process_of_its_own(compare, one, Path(folder), options) for one in comparisons]
    report(options, sides)


def in_process_of_its_own(work: Callable[..., Side], *arguments: Any) -> Side:
    """As a command is one: what starts its readers has imported what that command's files need."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def compare(comparison: Comparison, cache: Path, options: Any) -> Side:
    # Here and not above, as in the command line: processes that read import this file once more.
    from harness.data.prepare import prepare
    from harness.data.reading import load
    from harness.running.datasets import make_dataset

    what, files, load_one, named = comparison

    def prepared(workers: int) -> None:
        place = cache / f"{what} {next(numbers)}"
        prepare(make_dataset(*named), "benchmark", [64, 256], place, workers=workers)

    numbers = itertools.count()
    loading, preparing = [], []
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(load_one, files))
        for _ in range(options.repeats):  # alternating, so that a busy machine is busy for both
            loading.append(seconds(lambda: list(pool.map(load_one, files))))
            preparing.append(seconds(lambda: prepared(options.workers)))
    data = make_dataset(*named)
    item = data.items()[0]
    loading_work, preparing_work = [], []
    for _ in range(options.repeats):  # one process alone: what it worked, whoever else wanted the machine
        loading_work.append(worked(lambda: list(map(load_one, files))))
        preparing_work.append(worked(lambda: prepared(1)))
    peaks = peak_mib(lambda: load_one(files[0])), peak_mib(lambda: load(data, (64, 256), item))
    return Side(what, len(files), loading, preparing, *peaks, loading_work, preparing_work)


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


def make_dicom(root: Path, count: int) -> list[Path]:
    """CT slices in a flat folder, from the header of pydicom's own example."""
    pydicom = importlib.import_module("pydicom")
    example = pydicom.dcmread(pydicom.examples.get_path("ct"))
    example.Rows = example.Columns = 512
    example.WindowCenter, example.WindowWidth = 40, 400
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :512] - 256
    body = np.where(x**2 + y**2 < 200**2, 1064, 0).astype(np.int16)
    root.mkdir()
    files = []
    for number in range(count):
        example.PatientID, example.InstanceNumber = f"P{number // 100}", number
        example.SOPInstanceUID = example.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        example.PixelData = (body + rng.integers(0, 30, body.shape, dtype=np.int16)).tobytes()
        files.append(root / f"{number:05d}.dcm")
        example.save_as(files[-1])
    return files


def load_volume(path: Path) -> float:
    """All voxels in memory, in the type that is cheapest for nibabel."""
    return float(np.asanyarray(importlib.import_module("nibabel").load(path).dataobj)[0, 0, 0])


def load_dicom(path: Path) -> float:
    """All pixels in memory, as pydicom has them."""
    return float(importlib.import_module("pydicom").dcmread(path).pixel_array[0, 0])


def load_greys(path: Path) -> float:
    """All pixels in memory, in the greys of the window that the file names."""
    pydicom, pixels = importlib.import_module("pydicom"), importlib.import_module("pydicom.pixels")
    file = pydicom.dcmread(path)
    return float(pixels.apply_voi_lut(pixels.apply_modality_lut(file.pixel_array, file), file)[0, 0])


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def worked(work: Callable[[], object]) -> float:
    """Seconds of a processor, of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_mib(work: Callable[[], object]) -> float:
    """The most memory that ``work`` needs at any time, beyond what this process has before."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = memory_mib("VmRSS")
    work()
    return memory_mib("VmHWM") - before


def memory_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def report(options: Any, sides: list[Side]) -> None:
    load = os.getloadavg()[2]
    numbers: dict[str, Any] = {"workers": options.workers, "load_average": load}
    lines = []
    for side in sides:
        load_time, ready = statistics.median(side.loading), statistics.median(side.preparing)
        work = statistics.median(side.loading_work) / statistics.median(side.preparing_work)
        numbers[side.what] = side._asdict() | {"relative_speed": load_time / ready, "relative_work": work}
        lines.append(
            [
                f"{side.files} {side.what}",
                f"{side.files / load_time:.1f}",
                f"{side.files / ready:.1f}",
                f"{load_time / ready:.0%}",
                f"{work:.0%}",
                f"{side.loading_peak:.0f} MiB",
                f"{side.preparing_peak:.0f} MiB",
            ]
        )
    text = f"""# Preparing beside loading

{options.workers} processes, median of {options.repeats} alternating runs, 64 and 256 px from one reading.
Preparing pays for the start of its processes, for headers and for hashing; loading does not. Memory is beyond
imported libraries. *The same alone* is of one process and by processor time, whatever else the machine did.
Its load average of the last 15 minutes was {load:.1f} at the end, on {usable_cores()} cores.

{_report.table(_HEAD, lines)}
"""
    _report.publish("preparation", numbers, text)


if __name__ == "__main__":
    main()
