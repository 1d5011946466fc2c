"""Healthy results to be harmed: made once, copied for each trial, and compared with what a trial leaves."""

from __future__ import annotations

import hashlib
import html
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from .server import Prepare, Result, call
from .verdict import Fault, Trial

#: The smallest cell that has everything: labels, features of real images, three evaluations.
TINY = [
    "--dataset=phantom", "--res=32", "--device=cpu", "--epochs=3", "--workers=1",
    *(f"--set={setting}" for setting in (
        "dataset.images=40", "dataset.size=32", "dataset.slices_per_patient=4", "batch_size=8", "width=64",
        "evaluate_every=1",
    )),
]  # fmt: skip
METRICS = "--metrics=swd,frd"
MODELS: dict[str, list[str]] = {
    "dcgan": [],
    "hagan": ["--set=warmup_epochs=1"],
    "wgan": ["--set=architecture=conv", "--set=critic_steps=2"],
}


def cell(
    results: Path, cache: Path, model: str = "dcgan", seed: int = 0, metrics: str = METRICS
) -> list[str]:
    """Arguments that make a cell."""
    folders = [f"--results={results}", f"--cache={cache}"]
    return ["run", f"--model={model}", *TINY, metrics, *MODELS[model], f"--seed={seed}", *folders]


def facts(folder: Path) -> dict[str, str]:
    """All that two runs of a cell have in common, file by file; when, where and how fast is left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name in (".lock", ".lease", ".holder.json", "sessions.jsonl") or ".aside" in path.name:
            continue
        if not path.is_file():
            found[path.name] = "no file"
            continue
        content = path.read_bytes()
        if path.name == "record.json":
            record = json.loads(content)
            for name in ("timing", "finished", "sessions", "sha256", "git", "log"):
                record.pop(name, None)
            found[path.name] = json.dumps(record, sort_keys=True)
            continue
        if path.name == "log.jsonl":
            found[path.name] = f"[{','.join(content.decode(errors='replace').splitlines())}]"
            continue
        # torch writes its own archive: the same state, and not always the same bytes.
        found[path.name] = "there" if path.suffix == ".pt" else hashlib.sha256(content).hexdigest()
    return found


class Healthy:
    """Cells that are done, and one that was killed in the middle.

    Args:
        folder: Where all trials take place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results, self.cache = folder / "healthy" / "results", folder / "healthy" / "cache"
        self.place = folder / "trial"
        self.seen: dict[str, Any] = {}
        """What a family looked at once, for all its trials."""
        self.aim = ""
        """Part of the names of those stored files that are damaged; all of them by default."""

    @cached_property
    def cells(self) -> dict[str, Path]:
        """Folders by what they are: ``dcgan``, ``hagan``, ``wgan`` are done, ``half`` is not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for model in MODELS:
            self._must(cell(self.results, self.cache, model))
        killed = call(cell(self.results, self.cache, seed=1), self.folder, kill_in_evaluation)
        assert killed.code == -signal.SIGKILL, killed
        folders = {path.name.split("-")[0]: path for path in self._runs(self.results) if "-s0-" in path.name}
        (half,) = (path for path in self._runs(self.results) if "-s1-" in path.name)
        return {**folders, "half": half}

    @cached_property
    def wanted(self) -> dict[str, dict[str, str]]:
        """The facts of each cell when nobody disturbs it."""
        results, cache = self.fresh()
        self._must(cell(results, cache, seed=1))
        found = {name: facts(results / "runs" / path.name) for name, path in self.cells.items()}
        return found

    def fresh(self) -> tuple[Path, Path]:
        """Copies of the results and of the cache, in an empty folder."""
        assert self.cells
        place = self.empty()
        shutil.copytree(self.results, place / "results", symlinks=True)
        shutil.copytree(self.cache, place / "cache", symlinks=True)
        return place / "results", place / "cache"

    def empty(self) -> Path:
        """The folder of a trial, emptied."""
        subprocess.run(["chmod", "-R", "u+rwX", self.place], check=False, capture_output=True)
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        return self.place

    def differs(
        self, results: Path, name: str, *, but: tuple[str, ...] = (), rounding: float = 0.0
    ) -> list[str]:
        """Which files of a cell are not as undisturbed.

        Args:
            results: The folder of results.
            name: Which of ``cells``.
            but: Files that are not compared.
            rounding: By which part of it a number in the record or the log may differ.
        """
        folder = results / "runs" / self.cells[name].name
        try:
            found = facts(folder)
        except (OSError, ValueError) as error:
            return [f"{folder.name}: {error}"]
        wanted = self.wanted[name]
        # Only what was never overwritten has no earlier file beside it: it depends on where a run was cut.
        names = (wanted.keys() | found.keys()) - {"best.previous.safetensors", "checkpoint.previous.pt", *but}
        return [
            told
            for file in sorted(names)
            if (told := difference(file, wanted.get(file, "null"), found.get(file, "null"), rounding))
        ]

    def finish(
        self, trial: Trial, arguments: list[str], name: str, results: Path, *, but: tuple[str, ...] = ()
    ) -> None:
        """Call a cell's command, obey what its errors say, and compare with the undisturbed cell.

        ``but`` are files that the command has no reason to read.

        Raises:
            Fault: It does not come to the same result.
        """
        for _ in range(4):
            ended = trial.check(call(arguments, self.place), codes={0, 2})
            if ended.code == 0:
                break
            trial.way = "refused, and made again as the error says"
            self._obey(ended)
        else:
            raise Fault("lost", f"its own hint does not help: {ended.err.strip()[-400:]}")
        if "log.jsonl is damaged" in ended.err:
            # Lines that are lost are lost; what was trained and scored is not.
            trial.way, but = "noticed", (*but, "log.jsonl")
        if different := self.differs(results, name, but=but):
            raise Fault("silent", f"{', '.join(different)} differ from those of an undisturbed cell")
        self.no_litter(results)

    def no_litter(self, *folders: Path) -> None:
        """Check that nothing half written is left.

        Raises:
            Fault: There is.
        """
        for folder in folders:
            parts = [
                path for path in folder.rglob("*.part") if "runs" in path.parts or "images" in path.parts
            ]
            if parts:
                raise Fault("lost", f"a half written file stays for ever: {parts[0].relative_to(self.place)}")

    def _obey(self, ended: Result) -> None:
        """Type what an error says, where it says to move something aside."""
        hint = next(
            (line.strip() for line in ended.err.splitlines() if line.strip().startswith("try: mv ")), None
        )
        if hint is None:
            raise Fault("lost", f"nothing to type brings it back: {ended.err.strip()[-400:]}")
        words = shlex.split(hint.removeprefix("try: "))
        where = words[1:3] if len(words) > 3 else words[1:]
        where[1] = where[1].rstrip(",;")
        if not all(os.path.abspath(path).startswith(str(self.place)) for path in where):
            raise Fault("lost", f"a hint reaches out of the trial's folder: {hint}")
        subprocess.run(["mv", *where], check=True, cwd=self.place)

    def _must(self, arguments: list[str], prepare: Prepare | None = None) -> None:
        done = call(arguments, self.folder, prepare, seconds=600)
        assert done.code == 0, done

    @staticmethod
    def _runs(results: Path) -> list[Path]:
        return sorted((results / "runs").iterdir())


def difference(file: str, wanted: str, found: str, rounding: float) -> str:
    """What of a file is not as undisturbed, in words; nothing where all of it is."""
    if wanted == found:
        return ""
    try:
        left, right = json.loads(wanted), json.loads(found)
    except ValueError:
        return file
    if rounding and _near(left, right, rounding):
        return ""
    if not isinstance(left, dict) or not isinstance(right, dict):
        return file
    fields = sorted(field for field in left.keys() | right.keys() if left.get(field) != right.get(field))
    told = (f"{field} {str(right.get(field))[:300]}, not {str(left.get(field))[:300]}" for field in fields)
    return f"{file} ({'; '.join(told)})"


def _near(left: Any, right: Any, rounding: float) -> bool:
    """Whether two values of JSON are the same but for the last digits of their floats."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_near(left[key], right[key], rounding) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            _near(a, b, rounding) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=rounding)
    return bool(left == right)


def kill_in_evaluation() -> None:
    """In a call: die by SIGKILL right after the second evaluation, before the checkpoint that knows of it."""
    from harness.training.loop import Trainer

    evaluate: Any = Trainer._evaluate

    def dying(trainer: Trainer, observers: Any, clock: Any) -> None:
        evaluate(trainer, observers, clock)
        if clock.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    Trainer._evaluate = dying  # type: ignore[method-assign]


def views(healthy: Healthy, results: Path, cache: Path) -> Iterator[tuple[str, list[str]]]:
    """Everything that reads finished cells, by name."""
    here = [f"--results={results}"]
    both = [*here, f"--cache={cache}"]
    done = healthy.cells["dcgan"].name
    shown = ["--models=dcgan,hagan", "--datasets=phantom", "--res=32"]
    array = ["--count=3", "--format=npy"]
    yield "show", ["show", "run", done, *here]
    yield "sample", ["sample", done, f"--out={results.parent / 'best'}", *array, *both]
    yield "sample-last", ["sample", done, f"--out={results.parent / 'last'}", "--which=last", *array, *both]
    yield "table", ["table", "2", *shown, "--metric=swd", *here]
    yield "compare", ["compare", "hagan", "dcgan", "--metric=swd", *here]
    yield "curves", ["figure", "curves", *both]
    yield "figure", ["figure", "5", *shown, "--count=2", *both]
    yield "report", ["report", *both]
    yield "data", ["data", "verify", *DATA, f"--cache={cache}"]


DATA = ["--dataset=phantom", "--res=32", "--set=images=40", "--set=size=32", "--set=slices_per_patient=4"]


def outcome(name: str, result: Result, results: Path) -> str:
    """What a view shows, without paths and times."""
    place = results.parent
    if name.startswith("sample"):
        made = place / ("best" if name == "sample" else "last") / "samples.npy"
        return hashlib.sha256(made.read_bytes()).hexdigest() if made.exists() else "none"
    if name == "report" and (results / "report.html").exists():
        page = re.sub(r'"data:[^"]*"', "", (results / "report.html").read_text())
        words = html.unescape(re.sub(r"<[^>]+>", " ", page))
        return re.sub(r"\s+", " ", words).replace(str(place), "")
    if name in ("curves", "figure"):
        pictures = sorted((results / "figures").glob(f"{name}*.png"))
        return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures)
    return result.out.replace(str(place), "")
