"""What each process of ``gpu.py`` does in its turn."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from _draws import SameDraws
from _loops import EPOCH, PERIOD, Loop, Rounds, flops_of, make_loop, make_plain, matmul_flops, peak_mib
from _workers import answer_turns

from harness.api import Batch, Clock, ImageShape, Model
from harness.plugins import Registry
from harness.training.arithmetic import arithmetic

PRECISIONS = ("fp32", "tf32", "bf16")
SIDE = 64
#: A trial takes small networks and no time.
TINY = {"ddpm": {"level_channels": (32, 32)}, "wgan": {}}


def model_worker(
    name: str, folder: str, device: str, tiny: bool, steps: int, compiled: bool, threads: int
) -> None:
    """Check a model, build and warm up its loops, say so, and measure when asked."""
    torch.set_num_threads(threads)  # all models get ready at once: more of them only disturb each other
    place, images = torch.device(device), Path(folder)
    settings = settings_of(name, tiny)
    found = agreement(name, place, settings, 2 if tiny else 8)
    found["peak_mib"] = peak_of(name, images, place, settings)
    sides: dict[str, tuple[str, Rounds]] = {}
    first: Loop | None = None
    for precision in PRECISIONS:
        for kind in ("eager", "compiled", "plain"):
            if (kind, precision) == ("plain", "bf16") or (kind == "compiled" and not compiled):
                continue  # public implementations know no bf16; compiling takes minutes
            try:
                loop = make_loop(name, SIDE, images, place, **settings)
                with arithmetic(precision, place):
                    problem = loop.compile() if kind == "compiled" else None
                    if problem is not None:
                        found[f"{precision} {kind}"] = {"error": problem}
                        continue
                    take = make_plain(name, loop, images).take if kind == "plain" else loop.take
                    rounds = Rounds(take, PERIOD.get(name, 1) if tiny else steps)
                    for _ in range(2 if tiny else 3):  # a graph is recorded at the second pass or the third
                        rounds.run()
            except Exception as error:
                found[f"{precision} {kind}"] = {"error": told(error)}
                continue
            first = first or loop
            sides[f"{precision} {kind}"] = (precision, rounds)

    def measure() -> dict[str, Any]:
        for key, (precision, rounds) in sides.items():
            rounds.forget()
            with arithmetic(precision, place):
                for _ in range(3):
                    rounds.run()
            found[key] = {"ms": 1000 * sorted(rounds.seconds)[1]}
        if place.type == "cuda" and first is not None:
            work = flops_of(first, PERIOD.get(name, 1))
            for precision in PRECISIONS:
                ours = (f"{precision} {kind}" for kind in ("eager", "compiled"))
                if times := [found[key]["ms"] for key in ours if key in sides]:
                    rate = 1000 * work / min(times)
                    found[f"{precision} roofline"] = rate / matmul_flops(place, precision)
        return found

    answer_turns({"ready": True}, measure)


def settings_of(name: str, tiny: bool) -> dict[str, Any]:
    return TINY.get(name, {"width": 64}) if tiny else {}


def agreement(name: str, place: torch.device, settings: dict[str, Any], count: int) -> dict[str, Any]:
    """Largest deviation of losses from those in float64 on the CPU, relative to their size."""
    images = torch.rand(count, 3, SIDE, SIDE, dtype=torch.float64) * 2 - 1
    exact = three_losses(name, settings, images, torch.device("cpu"), "fp32")
    found: dict[str, Any] = {}
    for precision in PRECISIONS:
        try:
            losses = three_losses(name, settings, images.float(), place, precision)
            off = max(abs(mine - value) for mine, value in zip(losses, exact, strict=True))
            found[f"{precision} agreement"] = {"off": off / max(map(abs, exact))}
        except Exception as error:
            found[f"{precision} agreement"] = {"error": told(error)}
    return found


def three_losses(
    name: str, settings: dict[str, Any], images: torch.Tensor, place: torch.device, precision: str
) -> list[float]:
    """The networks' losses over three steps, in the type of the images, with the same random numbers."""
    model = small_steps(name, settings).to(place, images.dtype).train()
    torch.set_default_dtype(images.dtype)
    try:
        with arithmetic(precision, place), SameDraws(0):
            batch = Batch(images.to(place))
            steps = [model.train_step(batch, Clock(step, EPOCH, EPOCH)) for step in range(3)]
    finally:
        torch.set_default_dtype(torch.float32)
    return [float(loss) for losses in steps for key, loss in losses.items() if "/" not in key]


def small_steps(name: str, settings: dict[str, Any]) -> Model:
    """A model that takes small steps, the same at every call."""
    torch.manual_seed(0)
    kind = Registry().load("models", name)
    return kind(ImageShape(3, SIDE, SIDE), kind.Config(**settings, lr=1e-5))


def peak_of(name: str, images: Path, place: torch.device, settings: dict[str, Any]) -> float:
    """Peak memory of three steps in the precision that is the default here."""
    loop = make_loop(name, SIDE, images, place, **settings)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    with arithmetic("auto", place):
        Rounds(loop.take, 3).run()
    return peak_mib(place)


def packed_worker(folder: str, device: str, tiny: bool, steps: int) -> None:
    """Take steps for some seconds whenever asked."""
    place = torch.device(device)
    loop = make_loop("hagan", SIDE, Path(folder), place, **settings_of("hagan", tiny))
    rounds = Rounds(loop.take, 1 if tiny else 10)
    with arithmetic("auto", place):
        rounds.run()

        def measure() -> dict[str, Any]:
            before, started = rounds.done, time.perf_counter()
            while time.perf_counter() - started < (1 if tiny else 6):
                rounds.run()
            return {"steps_per_second": (rounds.done - before) / (time.perf_counter() - started)}

        answer_turns({"ready": True}, measure)


def told(error: Exception) -> str:
    """An error in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"


PARTS = {"model": model_worker, "packed": packed_worker}
