"""What is worth knowing of a CUDA device, in one command of under nine minutes.

    pip install --no-deps . && python benchmarks/gpu.py [--models hagan,sagan] [--out DIR]

Correctness against the CPU in float64; times of steps in three precisions, compiled and not, beside the
plain loops; several cells on one device; scoring; memory. Every model lives in a process of its own. All
compile at the same time and wait; then one after the other measures, so that nothing else runs on the device.
What can't be done here (a package is missing, time is up) is skipped, and the table says so.
``--device cpu --tiny`` runs through the script where there is no device; its times mean nothing.
Regenerates ``gpu.json`` and ``gpu.md`` in ``benchmarks/results``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import _report
import torch
from _gpu_parts import PARTS, PRECISIONS, SIDE, told
from _workers import Worker
from plain import PLAIN

from harness.api import Population
from harness.data.pictures import save_png
from harness.files import write_json
from harness.processes import usable_cores

BATCH = 32
#: Losses of three small steps on the device in fp32, against float64 on the CPU, relative to their size.
AGREE = 1e-3
PACKED = (1, 2, 4, 8)


def main() -> None:
    parser = _report.arguments(__doc__)
    parser.add_argument("--models", default=",".join(PLAIN))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which nothing new is begun")
    parser.add_argument("--steps", type=int, default=60, help="steps of a round")
    parser.add_argument(
        "--no-compile", action="store_true", help="for few minutes: compiling takes most of them"
    )
    parser.add_argument("--tiny", action="store_true", help="small networks and few steps, for a trial")
    parser.add_argument("--out", type=Path, default=_report.RESULTS)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--settings", type=json.loads)
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](**options.settings)
        return
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("gpu.py: no CUDA device here; benchmarks/training.py measures a CPU")
    deadline = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        images = write_noise(Path(folder))
        common = {
            "folder": str(images), "device": options.device, "tiny": options.tiny, "steps": options.steps
        }  # fmt: skip
        numbers: dict[str, Any] = {"models": {}, "packed": {}, "scoring": {}}
        compiled = not (options.no_compile or options.tiny)  # a CPU takes minutes for it
        for name, found in measure_models(options.models.split(","), common, deadline, compiled=compiled):
            numbers["models"][name] = found
            write_json(options.out / "gpu.json", numbers)  # whatever comes next, this is kept
        numbers["packed"] = measure_packed(common, deadline)
        numbers["scoring"] = measure_scoring(Path(folder), options, deadline)
    numbers["seconds"] = time.monotonic() - deadline + 60 * options.minutes
    _report.publish("gpu", numbers, page(numbers, options), out=options.out, device=options.device)


def write_noise(folder: Path) -> Path:
    """Images from noise: here only their size counts."""
    pixels = torch.randint(0, 256, (4 * BATCH, 1, SIDE, SIDE), dtype=torch.uint8)
    for number, image in enumerate(pixels.numpy()):
        save_png(folder / "images" / f"{number:04d}.png", image)
    return folder / "images"


# Models


def measure_models(
    names: Sequence[str], common: dict[str, Any], deadline: float, *, compiled: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """All models get ready at the same time, then take turns."""
    threads = max(1, usable_cores() // len(names))
    workers = {
        name: Worker(__file__, "model", name=name, compiled=compiled, threads=threads, **common)
        for name in names
    }
    latest = (time.monotonic() + deadline) / 2  # the other half of the time is for measuring
    ready = {name: worker.answer(latest) for name, worker in workers.items()}
    for name, worker in workers.items():
        if "error" in ready[name]:
            worker.stop()
    for name, worker in workers.items():
        found = ready[name]
        if "error" not in found:
            worker.begin_turn()
            found = worker.answer(deadline)
            worker.stop()
        print(f"{name}: {json.dumps(found)}", flush=True)
        yield name, found


# Several cells on one device


def measure_packed(common: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Steps a second of HAGAN in 1, 2, 4 and 8 processes at the same time, in tf32 and uncompiled."""
    counts = (1, 2) if common["tiny"] else PACKED
    workers = [Worker(__file__, "packed", **common) for _ in range(max(counts))]
    found: dict[str, Any] = {}
    try:
        for worker in workers:
            ready = worker.answer(deadline)
            if "error" in ready:
                return ready
        for count in counts:
            for worker in workers[:count]:
                worker.begin_turn()
            answers = [worker.answer(deadline) for worker in workers[:count]]
            failed = [answer["error"] for answer in answers if "error" in answer]
            if failed:
                found[str(count)] = {"error": failed[0]}
                break
            found[str(count)] = {"steps_per_second": sum(answer["steps_per_second"] for answer in answers)}
    finally:
        for worker in workers:
            worker.stop()
    return found


# Scoring


def measure_scoring(folder: Path, options: Any, deadline: float) -> dict[str, Any]:
    """Seconds of a Fréchet distance of 396 against 396 images, with a random network of Inception's shape."""
    if time.monotonic() > deadline:
        return {"error": "skipped: time is up"}
    try:
        import numpy as np

        from harness.scoring.metrics.frechet import Frechet
        from harness.scoring.scorer import Scorer
        from harness.scoring.spaces.inception import Inception
        from harness.scoring.weights import Weights

        count = 16 if options.tiny else 396
        real, fake = np.random.default_rng(0).integers(0, 256, (2, count, 3, SIDE, SIDE), dtype=np.uint8)
        found: dict[str, float] = {"count": count}
        values = []
        for device in dict.fromkeys(("cpu", options.device)):
            place = torch.device(device)
            space = Inception(Weights(folder, online=False), trained=False)
            metrics = {"fd": Frechet("space", "fd")}
            scorer = Scorer(metrics, {"space": space}, Population(real), None, place, folder / device)
            for run in ("first", "again"):  # again: the features of real images are kept
                started = time.perf_counter()
                values.append(scorer.score(fake)["fd"])
                found[f"{device} {run}"] = time.perf_counter() - started
        found["deviation"] = abs(values[-1] / values[0] - 1)
        return found
    except Exception as error:
        return {"error": told(error)}


# The page


def page(numbers: dict[str, Any], options: Any) -> str:
    head = [
        "model", *(f"{precision} {kind}" for precision in PRECISIONS for kind in ("eager", "compiled")),
        "fp32 plain", "tf32 plain", "best of a matmul's rate", "peak MiB", "fp32 off by", "tf32", "bf16",
    ]  # fmt: skip
    packed = numbers["packed"]
    one = packed.get("1", {}).get("steps_per_second")
    together = [
        [count, f"{entry['steps_per_second']:.1f}", f"{entry['steps_per_second'] / one:.2f}"]
        for count, entry in packed.items()
        if one and "steps_per_second" in entry
    ]
    scoring = numbers["scoring"]
    parts = [
        f"# {options.device.split(':')[0].upper()}, measured",
        f"Made by `python benchmarks/gpu.py` in {numbers['seconds']:.0f} s. "
        + _report.machine_words(options.device),
        f"Milliseconds of a step at {SIDE} px and batch {BATCH}, images included; losses against the CPU in "
        f"float64, relative to their size (fp32 must stay below {AGREE:g}).",
        _report.table(head, [line(name, found) for name, found in numbers["models"].items()]),
    ]
    if together:
        parts += ["HAGAN in several processes on one device:"]
        parts += [_report.table(["processes", "steps/s, all together", "times one"], together)]
    if "error" not in scoring:
        times = [f"{key} {value:.3g} s" for key, value in scoring.items() if " " in key]
        parts += [
            f"Scoring {scoring['count']} against as many images by a random network of Inception's shape: "
            f"{', '.join(times)}; the distances differ by {scoring['deviation']:.1e}."
        ]
    skipped = [f"- {who}: {why}" for who, why in problems(numbers)]
    return "\n\n".join([*parts, *(["Not done:\n\n" + "\n".join(skipped)] if skipped else [])]) + "\n"


def line(name: str, found: dict[str, Any]) -> list[object]:
    def time_of(key: str) -> str:
        return f"{found[key]['ms']:.2f}" if "ms" in found.get(key, {}) else ""

    def off_by(precision: str) -> str:
        value = found.get(f"{precision} agreement", {}).get("off")
        if value is None:
            return ""
        return f"{value:.1e}{' **too far**' if precision == 'fp32' and value > AGREE else ''}"

    shares = [value for key, value in found.items() if key.endswith("roofline")]
    return [
        name, *(time_of(f"{precision} {kind}") for precision in PRECISIONS for kind in ("eager", "compiled")),
        time_of("fp32 plain"), time_of("tf32 plain"), f"{max(shares):.1%}" if shares else "",
        f"{found['peak_mib']:.0f}" if "peak_mib" in found else "", *map(off_by, PRECISIONS),
    ]  # fmt: skip


def problems(numbers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was skipped or failed, and why."""
    for name, found in numbers["models"].items():
        if "error" in found:
            yield name, found["error"]
        for key, value in found.items():
            if isinstance(value, dict) and "error" in value:
                yield f"{name} {key}", value["error"]
    if "error" in numbers["scoring"]:
        yield "scoring", numbers["scoring"]["error"]
    for count, entry in numbers["packed"].items():
        if count == "error":
            yield "several cells", entry
        elif "error" in entry:
            yield f"{count} cells", entry["error"]


if __name__ == "__main__":
    main()
