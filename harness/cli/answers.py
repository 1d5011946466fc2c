"""What ``--json`` prints: one object for each command, whose schema lies in ``schemas/``.

A field is never taken away or given another meaning under the same ``format``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from ..grid.status import GridStatus

if TYPE_CHECKING:
    from ..tables.sheets import Sheet

SCHEMAS: Final = Path(__file__).parent / "schemas"
"""Where the schemas are, one file for each command."""


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Answer(Part):
    """What a command answers."""

    format: Literal[1] = 1


class Plugin(Part):
    """A plugin by its name."""

    kind: str
    name: str
    summary: str
    distribution: str


class Listed(Answer):
    """What is installed."""

    command: Literal["list"] = "list"
    plugins: list[Plugin]


class Setting(Part):
    """A setting with its default, in JSON's values."""

    name: str
    default: Any
    unit: str
    description: str
    source: str


class Shown(Answer):
    """One thing in full; what it doesn't have is null or empty.

    Attributes:
        record: A finished run's record.
        spec: What a run's cell is.
    """

    command: Literal["show"] = "show"
    what: str
    name: str
    version: int | None = None
    summary: str = ""
    description: str = ""
    facts: dict[str, str | list[str]] = {}
    settings: list[Setting] = []
    presets: dict[str, dict[str, Any]] = {}
    record: dict[str, Any] | None = None
    spec: dict[str, Any] | None = None


class Tabled(Answer):
    """A table, as its CSV form: a row for each cell, plain numbers, null where there is none."""

    command: Literal["table", "compare"]
    label: str
    caption: str
    notes: list[str]
    rows: list[dict[str, str | float | int | bool | None]]


class ImageCount(Part):
    """Images, and the patients that they are of."""

    images: int
    patients: int


class PreparedSet(Part):
    """A prepared image set."""

    name: str
    resolution: int
    count: ImageCount
    published_count: str
    splits: dict[str, ImageCount]
    raw_width: tuple[int, int]
    raw_height: tuple[int, int]
    raw_modes: dict[str, int]
    channels: int
    conversions: dict[str, int]
    labels: dict[str, int]
    skipped: dict[str, str]
    fingerprint: str
    home: str
    contact_sheet: str


class DataInfo(Answer):
    """What there is of a data set."""

    command: Literal["data info"] = "data info"
    sets: list[PreparedSet]
    files_used: int
    left_out: dict[str, str]
    notes: list[str]


class Space(Part):
    """A feature space, and whether it can be used here.

    Attributes:
        identity: Version and hash of its weights; None where it can't be used.
        problem: Why it can't be used; None where it can.
    """

    name: str
    used_by: list[str]
    identity: dict[str, str] | None
    problem: str | None
    hint: str | None


class Health(Answer):
    """What works here."""

    command: Literal["doctor"] = "doctor"
    versions: dict[str, str]
    commit: str | None
    device: dict[str, Any]
    cuda_devices: int
    cache: str
    spaces: list[Space]
    problems: list[str]


class Scored(Answer):
    """Scores of images that were made elsewhere."""

    command: Literal["score"] = "score"
    scores: dict[str, float]
    goals: dict[str, Literal["lower", "higher"]]
    context: dict[str, float]
    notes: list[str]
    caveats: list[str]
    curves: list[dict[str, Any]]
    cross_check: list[dict[str, Any]]
    facts: dict[str, Any]


class Check(Part):
    """One check, and what broke; nothing where it passed."""

    name: str
    findings: list[str]


class CheckedPlugin(Answer):
    """Whether a plugin keeps its contract."""

    command: Literal["check"] = "check"
    subject: str
    keeps_contract: bool
    checks: list[Check]


class Finding(Part):
    """What came of one part of a record: ``harness.sharing.findings.Finding``."""

    what: str
    verdict: Literal["equal", "rounding", "differs", "unchecked"]
    words: str
    needed: bool
    recorded: float | None
    recomputed: float | None
    tolerance: float | None


class VerifiedRecord(Part):
    """A record; ``holds`` is null where nothing differs and something that it takes could not be checked."""

    name: str
    holds: bool | None
    findings: list[Finding]


class VerifiedRecords(Answer):
    """Whether records hold."""

    command: Literal["verify"] = "verify"
    records: list[VerifiedRecord]


class Variable(Part):
    """A variable of the environment that commands read; a value of None is not set."""

    name: str
    value: str | None
    meaning: str


class Config(Answer):
    """What the user's file and the environment set."""

    command: Literal["config"] = "config"
    file: str
    file_exists: bool
    executors: dict[str, dict[str, Any]]
    environment: list[Variable]


ANSWERS: Final[Mapping[str, type[BaseModel]]] = {
    "list": Listed,
    "show": Shown,
    "table": Tabled,
    "compare": Tabled,
    "data info": DataInfo,
    "doctor": Health,
    "score": Scored,
    "check": CheckedPlugin,
    "verify": VerifiedRecords,
    "config": Config,
    "status": GridStatus,
}
"""The answer of each command that has ``--json``."""


def schema_file(command: str) -> Path:
    """Where the schema of a command's answer is."""
    return SCHEMAS / f"{command.replace(' ', '-')}.json"


def schema_text(command: str) -> str:
    """The schema of a command's answer, as its file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ANSWERS[command].model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def emit(answer: Answer) -> None:
    """Print an answer; a path that is no text has its odd bytes escaped."""
    print(json.dumps(answer.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False))


def tabled(command: Literal["table", "compare"], sheet: Sheet) -> Tabled:
    """A sheet as plain numbers."""
    return Tabled(
        command=command,
        label=sheet.label,
        caption=sheet.caption,
        notes=list(sheet.notes),
        rows=[_plain_row(line.items()) for line in sheet.numbers],
    )


def _plain_row(row: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in row}


def _plain(value: Any) -> Any:
    """Numpy's numbers as Python's, and what is not there as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
