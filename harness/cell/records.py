"""The store: a folder for each cell, and a record in it that means done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import SpecError
from ..files import write_json
from .spec import RunSpec

RECORD_FORMAT: Final = 2

Status = Literal["complete", "diverged", "failed"]


class Record(BaseModel):
    """What came out of one cell.

    Attributes:
        status: ``complete``; ``diverged`` (a loss or a sample was not finite: kept as a result);
            ``failed`` (the model raised an error: ``error`` holds it).
        scores: ``best`` and ``last``: each a flat name -> number, empty where nothing was evaluated.
        context: How far the best scores can be trusted: floors, intervals and gaps, by names that begin
            with their score's.
        notes: What a reader of the scores must be told, one line each.
        best_epoch: Epochs completed when the best evaluation was made.
        score_versions: Version of each metric and identity of each feature space.
        n_real: Real training images that samples were compared with.
        n_generated: Samples that were scored.
        dataset: Which images the cell saw, and the versions of the ``libraries`` that read their raw files.
        caveats: What a reader of any of these scores must know.
        versions: Python and the packages that trained and scored.
        plugins: By kind (``models``, ``datasets``, ``metrics``, ``features``) and name, the distribution and
            version that brought each plugin; None in a record from before this was kept.
        timing: ``prepare``, ``train`` and ``score`` (samples and their scores) in seconds,
            ``images_per_second`` of training.
        git: Commit of the benchmark's source, where it runs from a checkout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[2] = RECORD_FORMAT
    status: Status
    identity: str
    spec: RunSpec
    scores: dict[Literal["best", "last"], dict[str, float]]
    context: dict[str, float] = {}
    notes: list[str] = []
    best_epoch: int | None
    epochs_done: int
    steps: int
    score_versions: dict[str, Any]
    n_real: int
    n_generated: int
    dataset: dict[str, Any]
    caveats: list[str]
    versions: dict[str, str]
    plugins: dict[str, dict[str, str]] | None = None
    device: dict[str, Any]
    timing: dict[str, float]
    git: str | None
    finished: str
    error: str | None = None


@dataclass(frozen=True)
class RunFolder:
    """The files of one cell."""

    path: Path

    @property
    def spec(self) -> Path:
        """The resolved spec, JSON."""
        return self.path / "spec.json"

    @property
    def log(self) -> Path:
        """Losses and evaluations, one JSON object a line."""
        return self.path / "log.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The last good training state."""
        return self.path / "checkpoint.pt"

    @property
    def best(self) -> Path:
        """The networks that scored best."""
        return self.path / "best.safetensors"

    @property
    def samples(self) -> Path:
        """A picture: samples of the best networks beside real images."""
        return self.path / "samples.png"

    @property
    def record(self) -> Path:
        """The result; its presence means done."""
        return self.path / "record.json"

    @property
    def lock(self) -> Path:
        """Held by the process that works on the cell."""
        return self.path / ".lock"

    def read_spec(self) -> RunSpec:
        """The spec of this folder.

        Raises:
            SpecError: There is none, or it can't be read.
        """
        try:
            return RunSpec.model_validate_json(self.spec.read_bytes())
        except (OSError, ValidationError) as error:
            raise SpecError(
                f"{self.path} is no run folder: {self.spec.name} is missing or damaged",
                needed="a folder that `bench run` made",
                hint="ls results/runs",
            ) from error

    def read_record(self) -> Record | None:
        """The record, or None where the cell is not done.

        Raises:
            SpecError: The file is damaged or of another format.
        """
        try:
            return Record.model_validate_json(self.record.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise SpecError(
                f"{self.record} is damaged or of another version: {error.errors()[0]['msg']}",
                needed=f"a record of format {RECORD_FORMAT}",
                hint=f"rm {self.record} and run the cell again: it goes on from its checkpoint",
            ) from error

    def write_record(self, record: Record) -> None:
        """Write the record. From then on the cell is done."""
        write_json(self.record, record.model_dump(mode="json"))


@dataclass(frozen=True)
class Store:
    """All cells below one results folder."""

    root: Path

    @property
    def runs(self) -> Path:
        """The folder of run folders."""
        return self.root / "runs"

    def folder(self, spec: RunSpec) -> RunFolder:
        """Where a cell lives, whether or not it exists yet."""
        return RunFolder(self.runs / spec.folder_name)

    def find(self, name: str) -> RunFolder:
        """The run folder that a user means: a path, a folder's name, or the unique start of one.

        Raises:
            SpecError: None or several match.
        """
        if (Path(name) / "spec.json").exists():
            return RunFolder(Path(name))
        matches = [folder for folder in self.folders() if folder.path.name.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        names = ", ".join(folder.path.name for folder in matches or self.folders()) or "(no run yet)"
        raise SpecError(
            f"{'several runs are' if matches else 'no run is'} called {name!r} in {self.runs}",
            needed=f"one of {names}",
            hint="--results DIR, where the runs are elsewhere",
        )

    def folders(self) -> list[RunFolder]:
        """Every run folder, by name."""
        return [RunFolder(path.parent) for path in sorted(self.runs.glob("*/spec.json"))]

    def records(self) -> Iterator[tuple[RunFolder, Record]]:
        """Every finished cell."""
        for folder in self.folders():
            if (record := folder.read_record()) is not None:
                yield folder, record


def missing_metrics(score_versions: Mapping[str, Any], asked: Iterable[str]) -> list[str]:
    """Those of the metrics asked for by which a record, with these ``score_versions``, was not scored."""
    return [name for name in asked if name not in score_versions["metrics"]]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL log; a line cut off by a kill is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines
