"""The store: a folder for each cell, and a record in it that means done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import TypedDict

from ..errors import SpecError
from ..files import move_aside, read_json, sealed, typed, unsealed, write_json
from .spec import RunSpec

RECORD_FORMAT: Final = 2

Status = Literal["complete", "diverged", "failed"]


class Scores(TypedDict):
    """Scores by name; empty where nothing was scored.

    ``best`` and ``last`` are of the best and of the last networks, on samples that no evaluation saw.
    ``selected`` is what the evaluation gave that chose the best ones: the best of many looks at the same
    samples, as published scores are. It flatters, and holds only what the selecting metric computes.
    """

    best: dict[str, float]
    last: dict[str, float]
    selected: dict[str, float]


class ScoreVersions(TypedDict):
    """What scores were computed with."""

    metrics: dict[str, int]
    features: dict[str, dict[str, str]]


class Timing(TypedDict):
    """Seconds of preparation, training, scoring and the longest evaluation, and the speed of training."""

    prepare: float
    train: float
    score: float
    longest_evaluation: NotRequired[float]
    images_per_second: float


class RecordError(SpecError):
    """A record that can't be believed: its cell counts as not done."""


class Record(BaseModel):
    """What came out of one cell.

    Attributes:
        status: ``complete``; ``diverged`` (a loss or a sample was not finite: kept as a result);
            ``failed`` (the model raised an error: ``error`` holds it).
        scores: Of the best networks, of the last ones, and what the best were selected by.
        context: How far the best scores can be trusted: distances of real images, errors and gaps, by
            names that begin with their score's.
        notes: What a reader of the scores must be told, one line each.
        best_epoch: Epochs completed when the best evaluation was made.
        best_networks: Digest of the networks that scored best; None where nothing was evaluated.
        log: Digest of the log when the record was written; None in a record from before it was kept.
        score_versions: Version of each metric and identity of each feature space.
        n_real: Real training images that samples were compared with.
        n_generated: Samples that were scored.
        dataset: Which images the cell saw, and the versions of the ``libraries`` that read their raw files.
        caveats: What a reader of any of these scores must know.
        versions: Python and the packages that trained and scored.
        plugins: By kind (``models``, ``datasets``, ``metrics``, ``features``) and name, the distribution and
            version that brought each plugin.
        timing: ``prepare``, ``train`` and ``score`` (samples and their scores) in seconds,
            ``images_per_second`` of training.
        sessions: Where the cell was begun and gone on with, in which jobs, and why each time ended.
        git: Commit of the benchmark's source, where it runs from a checkout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[2] = RECORD_FORMAT
    status: Status
    identity: str
    spec: RunSpec
    scores: Scores
    context: dict[str, float] = {}
    notes: list[str] = []
    best_epoch: int | None
    best_networks: str | None
    log: str | None = None
    epochs_done: int
    steps: int
    score_versions: ScoreVersions
    n_real: int
    n_generated: int
    dataset: dict[str, Any]
    caveats: list[str]
    versions: dict[str, str]
    plugins: dict[str, dict[str, str]]
    device: dict[str, Any]
    timing: Timing
    sessions: list[dict[str, Any]] = []
    git: str | None
    finished: str
    error: str | None = None

    @property
    def last_words(self) -> str:
        """The last line of its error; empty where there is none."""
        return next(reversed((self.error or "").strip().splitlines()), "")


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

    @property
    def is_one(self) -> bool:
        """Whether this is a run's folder, or may be: one that can't be looked into is not passed over."""
        try:
            names = set(os.listdir(self.path))
        except NotADirectoryError:
            return False
        except OSError:
            return not self.path.is_symlink()
        return not names.isdisjoint((self.spec.name, self.record.name))

    def read_spec(self) -> RunSpec:
        """The spec of this folder: of its record, where there is one that can be believed.

        Raises:
            SpecError: There is none, or it can't be read.
        """
        try:
            record = self.read_record()
        except RecordError:
            record = None
        if record is not None:
            return record.spec
        try:
            return self._written_spec()
        except (OSError, ValueError) as error:
            raise SpecError(
                f"{self.path} is not a run folder: {self.spec.name} is missing or damaged",
                needed="a folder that `bench run` made",
                hint=typed("ls", self.path.parent),
            ) from error

    def _written_spec(self) -> RunSpec:
        return RunSpec.model_validate(read_json(self.spec))

    def holds(self, spec: RunSpec) -> bool:
        """Whether this spec is written here."""
        try:
            return self._written_spec() == spec
        except (OSError, ValueError):
            return False

    def write_spec(self, spec: RunSpec) -> None:
        """Write the spec: from then on this is a run folder."""
        write_json(self.spec, spec.model_dump(mode="json"), new_folder=False)

    def read_record(self) -> Record | None:
        """The record, or None where the cell is not done.

        Raises:
            RecordError: The file can't be read, is damaged or edited, or of another format.
        """
        try:
            content = read_json(self.record)
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
            if content.get("format") != RECORD_FORMAT:
                raise ValueError(f"it is of format {content.get('format')!r}, not {RECORD_FORMAT}")
            return Record.model_validate(unsealed(content))
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, FileNotFoundError) and not self.record.is_symlink():
                return None
            raise RecordError(
                f"{self.record} is damaged, or of another edition: {_first_line(error)}",
                needed=f"a record of format {RECORD_FORMAT} as it was written",
                hint=f"{move_aside(self.record)}, and run the cell again: it goes on from its checkpoint",
            ) from error

    def write_record(self, record: Record) -> None:
        """Write the record, with its digest. From then on the cell is done."""
        write_json(self.record, sealed(record.model_dump(mode="json")), new_folder=False)


def _first_line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return next(iter(str(error).splitlines()), type(error).__name__)


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
        if RunFolder(Path(name)).spec.exists():
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
        try:
            names = sorted(os.listdir(self.runs))
        except FileNotFoundError:
            return []
        return [folder for folder in (RunFolder(self.runs / name) for name in names) if folder.is_one]

    def records(self) -> Iterator[tuple[RunFolder, Record]]:
        """Every finished cell."""
        for folder in self.folders():
            if (record := folder.read_record()) is not None:
                yield folder, record


def missing_metrics(score_versions: ScoreVersions, asked: Iterable[str]) -> list[str]:
    """Those of the metrics asked for by which a record, with these ``score_versions``, was not scored."""
    return [name for name in asked if name not in score_versions["metrics"]]
