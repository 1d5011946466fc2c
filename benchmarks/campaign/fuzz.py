"""Random arguments for every command, found by asking the command line what it takes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from harness.cli import app

from .healthy import TINY, Healthy
from .server import call, limit_memory
from .strange_files import good_images
from .verdict import Trial

BIG = "9" * 30
TEXTS = [
    "", "dcgan", "hagan", "phantom", "-1", "0", "1", "2", "3", "7", "32", "64", "nan", "inf", "1e999", BIG,
    "9" * 5000, "../..", "=", "a=b", "é", "²", "💥", "a" * 300, "a" * 5000, "\udcff", "x\ny", "$(id)", "'",
    '"', "%s", "{}", "[]", "null", "true", "[" * 3000, "--", "-", "phantom=/nowhere", "<b>", "\\",
    "\x1b[31m", "swd", "fid", "ms_ssim", "frd", "swd,swd", ",", ",,", "swd,nosuch", "dcgan,hagan",
    "dcgan,dcgan", " ", "\t", "4294967296", "18446744073709551616", "-9223372036854775809",
    "dcgan@lr=0.001", "@", "dcgan@", "protocol", "model", "dataset", "metric", "run", "curves",
]  # fmt: skip
NUMBERS = [
    "0", "1", "2", "3", "8", "-1", "32", "64", BIG, "4294967296", "x", "1.5", "", "²", "1e3", "0x10", " 1",
]  # fmt: skip
VALUES = [
    "1", "0", "-1", "1e-3", "NaN", "Infinity", "-Infinity", "1e400", "null", "true", "[]", "{}", "[1,2]",
    '"x"', "x", "é", "9" * 5000, BIG, "[[[[[[[", "[" * 3000, "1.5", "0x10", "fp32", "swd", "flip",
    '["flip"]', "[0.5,0.9]", "[0.5]", "💥", "' or 1", "[2,3]",
]  # fmt: skip
SETTINGS = [
    "lr", "epochs", "width", "batch_size", "evaluate_every", "metrics", "samples", "held_out", "limit",
    "channels", "precision", "augment", "betas", "latent_dim", "dataset.images", "dataset.size",
    "dataset.seed", "images", "size", "dataset.slices_per_patient", "dataset.nosuch", "nosuch", "",
    "dataset.", "diffaugment", "seed", "model",
]  # fmt: skip
PLAIN = ["batch_size=8", "width=64", "epochs=1", "images=16", "size=32", "lr=0.001"]
#: What each command is given so that no call takes long; what is drawn comes later, and wins.
CHEAP: dict[str, list[str]] = {
    **{name: ["--dry-run"] for name in ("run", "grid", "ablate", "tune")},
    "sample": ["--count=2"],
    "score": ["--metrics=swd", "--offline"],
    "data prepare": ["--res=32", "--set=images=8", "--set=size=32"],
    "data info": ["--res=32", "--set=images=8", "--set=size=32"],
    "data verify": ["--res=32", "--set=images=8", "--set=size=32"],
}  # fmt: skip
#: No call waits for a network: whoever asks to fetch what has to be downloaded is told that there is none.
SECONDS = 120.0


def fuzz_a_call(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """One call of one command with random options and values; only its own folder may be written to."""
    place = _place(healthy)
    name, command = draw.choice(list(_commands()))
    words = list(_words(name, command, draw, place))
    if name == "run" and draw.random() < 0.25:
        words = list(_real_run(draw, place))
    trial.family = f"fuzz: {name.partition(' ')[0]}"
    trial.did = f"bench {' '.join(words)[:200]}"
    ended = trial.check(call(words, place / "here", limit_memory, seconds=SECONDS))
    trial.way = f"exit {ended.code}"


def _place(healthy: Healthy) -> Path:
    """Where all calls of a campaign are made, with some of everything that a path may name."""
    place = healthy.folder / "fuzz"
    if not place.exists():
        assert healthy.cells
        shutil.copytree(healthy.results, place / "results")
        shutil.copytree(healthy.cache, place / "cache")
        good_images(place / "images", random.Random(0))
        np.save(
            place / "stack.npy", np.random.default_rng(0).integers(0, 255, (20, 1, 32, 32), dtype=np.uint8)
        )
        (place / "good.toml").write_text(
            'models = ["dcgan", "hagan"]\ndatasets = ["phantom"]\nresolutions = [32]\n'
        )
        (place / "bad.toml").write_text("models = [\n")
        (place / "empty").mkdir()
        (place / "here").mkdir()
        (place / "text.txt").write_text("hi")
    return place


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, the hidden one too."""

    def below(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
        for name, one in getattr(command, "commands", {}).items():
            yield from below(f"{prefix} {name}".strip(), one)
        if not getattr(command, "commands", None):
            yield prefix, command

    yield from below("", typer.main.get_command(app))


def _words(name: str, command: Any, draw: random.Random, place: Path) -> Iterator[str]:
    yield from name.split()
    if draw.random() < 0.03:
        yield draw.choice(TEXTS)
    yield from CHEAP.get(name, [])
    # One strange word hides all that comes after it: most calls have few, or none.
    strange = draw.choice([0.0, 0.05, 0.15, 0.5])
    for parameter in command.params:
        for _ in range(_is_asked(parameter, draw)):
            if not parameter.opts[0].startswith("-"):
                yield _value(name, parameter, draw, place, strange)
                continue
            option = draw.choice([opt for opt in parameter.opts if opt.startswith("--")] or parameter.opts)
            yield option
            if not getattr(parameter, "is_flag", False):
                yield _value(name, parameter, draw, place, strange)
    if draw.random() < 0.03:
        yield draw.choice(["--nosuch", "-h", "--help", "--version", draw.choice(TEXTS)])


def _real_run(draw: random.Random, place: Path) -> Iterator[str]:
    """A cell that is really trained, the smallest there is, with a setting or two that nobody expects."""
    yield from [
        "run",
        "--model=dcgan",
        *(word for word in TINY if "epochs" not in word),
        "--epochs=1",
        "--limit=8",
    ]
    yield from ["--metrics=swd", f"--results={place / 'results'}", f"--cache={place / 'cache'}"]
    for _ in range(draw.randint(1, 2)):
        yield from draw.choice(
            [
                ("--set", f"{draw.choice(SETTINGS)}={draw.choice(VALUES)}"),
                ("--seed", draw.choice(NUMBERS)),
                ("--precision", draw.choice(["fp32", "bf16", "tf32", "auto", "fp8"])),
                ("--source", draw.choice(["ct", "nosuch"])),
            ]
        )


def _is_asked(parameter: Any, draw: random.Random) -> int:
    """How often a parameter is given: nearly always where it is needed, and folders always."""
    if parameter.name in ("results", "cache") or parameter.required:
        return int(draw.random() < 0.97) or int(parameter.name in ("results", "cache"))
    if parameter.name in ("compile", "tensorboard", "dry_run", "cross_check"):
        return 0
    if getattr(parameter, "multiple", False):
        return draw.choice([0, 0, 1, 2])
    return int(draw.random() < 0.2)


def _value(name: str, parameter: Any, draw: random.Random, place: Path, strange: float) -> str:
    """A value for a parameter: one of the first two that are known for it, or a strange one."""
    is_strange = draw.random() < strange
    if is_strange and draw.random() < 0.3:
        return draw.choice(TEXTS)
    if parameter.name in ("assignments", "where"):
        return f"{draw.choice(SETTINGS)}={draw.choice(VALUES)}" if is_strange else draw.choice(PLAIN)
    known = KNOWN.get(f"{name} {parameter.name}", KNOWN.get(parameter.name))
    if known is None:
        return draw.choice([*TEXTS, *NUMBERS])
    values = known(place)
    return str(draw.choice(values if is_strange else values[:2]))


def _inputs(place: Path) -> list[object]:
    names = [
        "images",
        "stack.npy",
        "good.toml",
        "bad.toml",
        "empty",
        "text.txt",
        "nowhere",
        "results",
        "cache",
    ]
    strange = ["/no-such/place", "/proc/self/mem", "/etc/passwd", "/dev/null", "/proc", "a" * 300,
               "/" + "a/" * 3000, "\udcff\udcfe", "", ".", place / "results" / "runs"]  # fmt: skip
    return [place / name for name in names] + strange


def _outputs(place: Path) -> list[object]:
    """Where something may be written: nothing outside of the campaign's folder is offered to be changed."""
    inside = [place / "new" / str(number) for number in range(5)]
    strange = [place / "images", place / "text.txt", place / "text.txt" / "x", "/dev/null", "/proc/x",
               "a" * 300, "\udcff", "", "out", place / "good.toml"]  # fmt: skip
    return [*inside, *inside, *strange]


def _runs(place: Path) -> list[object]:
    runs = sorted((place / "results" / "runs").iterdir())
    return [*runs, *(run.name for run in runs), "dcgan", "hagan", "dcgan-phantom-32-s0", "nosuch", "", "/"]


#: Values by command and parameter, or by parameter; the first two are plain ones.
KNOWN: dict[str, Callable[[Path], list[object]]] = {
    "table name": lambda place: ["2", "4", "3", "paired", place / "good.toml", "nosuch"],
    "figure name": lambda place: ["5", "curves", "7", "paired", "ranks", "radiomics", place / "good.toml"],
    "grid name": lambda place: [place / "good.toml", "table2", "table4", place / "bad.toml", "nosuch", place],
    "check name": lambda place: ["dcgan", "phantom", "swd", "local", "nosuch"],
    "data fetch name": lambda place: ["phantom", "folder", "covid-ct", "nosuch"],
    "show what": lambda place: ["model", "run", "protocol", "dataset", "metric", "features", "nosuch"],
    "show name": lambda place: ["dcgan", *_runs(place)],
    "list kind": lambda place: ["models", "metrics", "datasets", "features", "executors", "nosuch"],
    "first": lambda place: ["hagan", "dcgan", "dcgan@lr=0.001", "@", "dcgan@", "nosuch"],
    "second": lambda place: ["dcgan", "wgan", "dcgan@lr=0.001", "nosuch"],
    "against": lambda place: ["published", "published", "nosuch"],
    "preset": lambda place: ["smoke", "smoke", "reference", "nosuch"],
    "executor": lambda place: ["local", "local", "nosuch"],
    "model": lambda place: ["dcgan", "dcgan", "hagan", "wgan", "ddpm", "pix2pix", "sagan", "nosuch"],
    "dataset": lambda place: ["phantom", "phantom", "phantom", "folder", "acdc", "covid-ct", "nosuch"],
    "models": lambda place: ["dcgan", "dcgan,hagan", "nosuch"],
    "datasets": lambda place: ["phantom", "phantom,folder", "nosuch"],
    "metric": lambda place: ["swd", "frd", "fid", "swd,frd", "nosuch"],
    "metrics": lambda place: ["swd", "swd,ms_ssim", "swd,frd", "nosuch"],
    "res": lambda place: ["32", "32", "64", "32,64", *NUMBERS],
    "device": lambda place: ["cpu", "cpu", "auto", "cuda", "cuda:99", "mps", "xla"],
    "device_memory": lambda place: ["1GB", "0", "1e9", "-1", "12 parsecs", BIG],
    "precision": lambda place: ["fp32", "bf16", "tf32", "auto", "fp8"],
    "jobs": lambda place: ["1", "auto", "0", "-1", "²", "1e3", BIG],
    "run": _runs,
    "results": lambda place: [*[place / "results"] * 8, *_outputs(place)],
    "cache": lambda place: [*[place / "cache"] * 8, *_outputs(place)],
    "data_root": _inputs, "weights": _inputs, "reference": _inputs, "generated": _inputs,
    "table form": lambda place: ["md", "csv", "latex", "html", "nosuch"],
    "compare form": lambda place: ["md", "csv", "latex", "html", "nosuch"],
    "which": lambda place: ["best", "last", "selected", "nosuch"],
    "form": lambda place: ["npy", "png", "md", "latex", "csv", "html", "nosuch"],
    "first_seed": lambda place: NUMBERS, "seed": lambda place: NUMBERS,
    "seeds": lambda place: ["0,1", "0", *NUMBERS],
    "per_device": lambda place: NUMBERS, "threads": lambda place: NUMBERS,
    "out": _outputs, "sheet": _outputs, "files": _outputs,
    "limit": lambda place: ["8", "16", *NUMBERS], "count": lambda place: ["1", "2", "-1", "0", BIG, "x"],
    "workers": lambda place: ["1", "1", "2", "0", "-1", "x", BIG],
    "source": lambda place: ["ct", "mr", "nosuch"], "target": lambda place: ["ct", "mr", "nosuch"],
}  # fmt: skip

FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {"fuzz": fuzz_a_call}
