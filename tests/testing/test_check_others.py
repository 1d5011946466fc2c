"""Checks of data sets, metrics, feature spaces and executors: each fault is found and named."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs
from bench_example.metric import Brightness
from numpy.typing import NDArray

from harness.api import (
    Ended,
    Executor,
    FeatureSpace,
    Job,
    JobState,
    PluginConfig,
    Population,
    Slice,
    SubmittedJob,
    WeightsError,
    WeightsFile,
)
from harness.testing import Checked, check_dataset, check_executor, check_features, check_metric


def found(checked: Checked, check: str) -> str:
    """What broke in a check."""
    assert check in checked.checks, checked
    return "; ".join(finding.broken for finding in checked.findings if finding.check == check)


class Empty(Discs):
    def items(self) -> Sequence[str]:
        return []


class Shuffles(Discs):
    calls = itertools.count()

    def items(self) -> Sequence[str]:
        return sorted(super().items(), reverse=bool(next(self.calls) % 2))


class Bright(Discs):
    def read(self, item: str) -> Iterator[Slice]:
        for piece in super().read(item):
            yield replace(piece, pixels=piece.pixels.astype(np.float64) * 255, split="dev")


class DividesPatients(Discs):
    def read(self, item: str) -> Iterator[Slice]:
        for piece in super().read(item):
            yield replace(piece, patient="the same", split="train" if item.endswith("1") else "test")


class Random(Discs):
    random = np.random.default_rng(0)

    def read(self, item: str) -> Iterator[Slice]:
        for piece in super().read(item):
            yield replace(piece, pixels=self.random.random((8, 8), np.float32))


class HoldsAFile(Discs):
    def items(self) -> Sequence[str]:
        self.file = Path(__file__).open()
        self.file.close()
        return super().items()


class Clocked(Discs):
    calls = itertools.count()

    def fingerprint(self) -> str:
        return f"{next(self.calls):064x}"


class NoCounterpart(Discs):
    def read(self, item: str) -> Iterator[Slice]:
        for piece in super().read(item):
            yield replace(piece, counterpart=None)


@pytest.mark.parametrize(
    ("dataset", "check", "words"),
    [
        (Empty, "items are the same at every call", "items() is empty"),
        (Shuffles, "items are the same at every call", "another order"),
        (Bright, "slices are valid images", "float64"),
        (Bright, "slices are valid images", "from 0 to 255"),
        (Bright, "slices are valid images", "'dev'"),
        (DividesPatients, "a patient is in one split", "the same is in test and train"),
        (Random, "reading again, in another order, gives the same slices", "other pixels"),
        (HoldsAFile, "it survives pickling: reading is parallel", "TypeError"),
        (Clocked, "the fingerprint is stable", "another call"),
        (NoCounterpart, "pairs are valid", "counterpart"),
    ],
)
def test_faults_of_data_sets(dataset: type[Discs], check: str, words: str) -> None:
    assert words in found(check_dataset(dataset), check)


class OfFiles(Discs):
    needs_root = True

    def fingerprint(self) -> str:
        assert self.root is not None
        return f"{(self.root / 'raw').stat().st_mtime_ns:x}"


def test_a_fingerprint_of_dates_is_found(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"raw")
    check = "the fingerprint is of the content, not of dates"
    assert "another fingerprint" in found(check_dataset(OfFiles, root=tmp_path), check)
    assert found(check_dataset(Discs, root=tmp_path), check) == ""


class Counts(Brightness):
    """Another score at every call."""

    calls = itertools.count()

    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"brightness": float(next(self.calls))}


class Lacks(Brightness):
    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"other": 0.0}


class NotANumber(Brightness):
    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"brightness": float("nan")}


class FirstImage(Brightness):
    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"brightness": float(generated.values[0].mean())}


class NeedsMore(Brightness):
    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"brightness": float(generated.values[9].mean() * 0)}


class Overwrites(Brightness):
    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        generated.values[:] = 0
        return {"brightness": 0.0}


class NoGoals(Brightness):
    goals = {}


@pytest.mark.parametrize(
    ("metric", "check", "words"),
    [
        (NoGoals, "it can be made, and names its goals", "goals is {}"),
        (Lacks, "it returns every score of its goals, finite", "did not return ['brightness']"),
        (NotANumber, "it returns every score of its goals, finite", "brightness = nan"),
        (Overwrites, "it returns every score of its goals, finite", "read-only"),
        (Counts, "the same images have the same scores", "and then"),
        (FirstImage, "the order of images does not matter", "and then"),
        (NeedsMore, "as many images as its minimum are enough", "IndexError"),
    ],
)
def test_faults_of_metrics(metric: type[Brightness], check: str, words: str) -> None:
    assert words in found(check_metric(metric), check)


class Means(FeatureSpace):
    """A space without a fault: means of four rows of an image."""

    version = 1
    dimension = 4

    def check(self) -> None:
        pass

    def identity(self) -> Mapping[str, str]:
        return {"network": "means"}

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        return images[:, 0, :4].mean(axis=2)


class Centred(Means):
    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        features = super().extract(images, device)
        return features - features.mean(0) / 2


class Single(Means):
    def extract(self, images: NDArray[np.uint8], device: torch.device) -> Any:
        return super().extract(images, device).astype(np.float32)


class Nameless(Means):
    def identity(self) -> Mapping[str, str]:
        return {}


class Eager(Means):
    def __init__(self, weights: Any) -> None:
        super().__init__(weights)
        weights.find(WeightsFile("net.pt"))


class CountsChannels(Means):
    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        return super().extract(images, device) * images.shape[1]


@pytest.mark.parametrize(
    ("space", "check", "words"),
    [
        (Means, "features of an image depend on it alone", ""),
        (Centred, "features of an image depend on it alone", "alone, an image has features that differ"),
        (Single, "features have the right shape and type", "float32 (5, 4) instead of float64 (5, 4)"),
        (Nameless, "its identity names it", "identity() is {}"),
        (Eager, "it can be made without touching a file", "net.pt is needed"),
        (CountsChannels, "grey images have the same features in three channels", "differ by"),
    ],
)
def test_faults_of_feature_spaces(space: type[FeatureSpace], check: str, words: str) -> None:
    text = found(check_features(space), check)
    assert words in text
    assert bool(words) == bool(text)


class Weighted(Means):
    def check(self) -> None:
        self.weights.find(WeightsFile("net.pt"))


def test_without_its_weights_nothing_is_said_of_a_space() -> None:
    with pytest.raises(WeightsError, match=r"net\.pt"):
        check_features(Weighted)


class InTurn(Executor):
    """Runs commands that are quick; faults are planted below."""

    slots = 1
    codes: Mapping[int, int] = {}
    told: Any = JobState("running")

    def submit(self, jobs: Sequence[Job]) -> Sequence[SubmittedJob]:
        return [Started(self, job) for job in jobs]


class Started(SubmittedJob):
    def __init__(self, executor: InTurn, job: Job) -> None:
        self.executor = executor
        code = f"import sys; print('said'); sys.exit({2 if '--no-such-option' in job.arguments else 0})"
        log = executor.resources.log_of(job.name)
        log.parent.mkdir(exist_ok=True)
        self.path = log
        with log.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=output)

    def poll(self) -> Ended | None:
        code = self.process.poll()
        return None if code is None else Ended(self.executor.codes.get(code, code), "said")

    @property
    def state(self) -> JobState:
        return self.executor.told

    def log(self) -> str:
        return self.path.read_text()

    def stop(self, *, now: bool) -> None:
        self.process.kill()


class NoSlots(InTurn):
    slots = 0


class HidesErrors(InTurn):
    codes = {2: 0}


class KeepsNoLog(InTurn):
    def submit(self, jobs: Sequence[Job]) -> Sequence[SubmittedJob]:
        started: Any = super().submit(jobs)
        for one in started:
            one.process.wait()
            one.path.write_text("")
        return started


class NeverEnds(InTurn):
    def submit(self, jobs: Sequence[Job]) -> Sequence[SubmittedJob]:
        started: Any = super().submit(jobs)
        for one in started:
            one.process.wait()
            one.poll = lambda: None
        return started


class Nowhere(InTurn):
    told = "running"


class LosesCells(InTurn):
    """Says that its cells go on without it, and finds none of them."""

    outlives = True

    def submit(self, jobs: Sequence[Job]) -> Sequence[SubmittedJob]:
        started: Any = super().submit(jobs)
        for one in started:
            until, poll = time.monotonic() + 0.3, one.poll
            one.poll = lambda until=until, poll=poll: poll() if time.monotonic() > until else None
        return started


class FindsStrangers(InTurn):
    def attach(self, names: Collection[str]) -> Mapping[str, SubmittedJob]:
        return {name: self.submit([Job(name, ("cell", "--help"))])[0] for name in names}


class Forgetful(InTurn):
    class Config(PluginConfig):
        partition: str = "gpu"


@pytest.mark.parametrize(
    ("executor", "check", "words"),
    [
        (InTurn, "a cell can be stopped", ""),
        (NoSlots, "it can be made, and has slots", "slots is 0"),
        (HidesErrors, "a cell that nobody could compute gives exit code 2", "exit code 0"),
        (KeepsNoLog, "a cell that ends well gives exit code 0 and a log", "log_of"),
        (Nowhere, "a cell that ends well gives exit code 0 and a log", "state is 'running'"),
        (InTurn, "cells on their way are found again, and no others", ""),
        (LosesCells, "cells on their way are found again, and no others", "does not find a cell"),
        (FindsStrangers, "cells on their way are found again, and no others", "'never-submitted'"),
        (Forgetful, "settings", "'partition' has no description"),
        (NeverEnds, "a cell that ends well gives exit code 0 and a log", "not over after 0.2 s"),
    ],
)
def test_faults_of_executors(
    executor: type[InTurn], check: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = 0.2 if executor is NeverEnds else 30.0
    started = time.monotonic()
    text = found(check_executor(executor, seconds=seconds), check)
    assert words in text
    assert bool(words) == bool(text)
    assert time.monotonic() - started < 60
