"""The plan of a grid in plain values, which a process that only watches cells can hold without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..api import Pair
from .definition import Point

Workload = tuple[str, str, int, int, int | None]
Standing = Literal[
    "unknown", "new", "resumable", "failed", "damaged", "stale", "unscored", "done", "diverged"
]


@dataclass(frozen=True)
class IdentifiedCell:
    """One cell of a grid, before anybody looked where it stands.

    Attributes:
        row: The row of an ablation; None outside one.
        identity: The cell's; None where its raw files are not at hand: then ``name`` and ``folder`` are not
            known either.
        name: Its folder's name.
        prefix: What the names of all folders of this model, data set, resolution and seed begin with.
        choices: Digest of ``RunSpec.choices``.
        workload: ``RunSpec.workload``.
        folder: Where it lives.
        arguments: What to call ``python -m harness`` with.
        epochs: Length of its training.
        metrics: What it is scored by.
    """

    model: str
    row: str | None
    dataset: str
    resolution: int
    seed: int
    identity: str | None
    name: str
    prefix: str
    choices: str
    workload: Workload
    folder: Path
    arguments: tuple[str, ...]
    epochs: int
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Raw files that cells of a grid are made of.

    Attributes:
        root: The folder that was named; None for none.
        config: The data set's options.
        pair: The modalities of a paired task; None outside of one.
        fingerprint: Of the files; None where they are not at hand.
    """

    dataset: str
    root: Path | None
    config: Mapping[str, Any]
    pair: Pair | None
    fingerprint: str | None


@dataclass(frozen=True)
class Identified:
    """What the cells of a grid are."""

    cells: list[IdentifiedCell]
    sources: list[Source]


@dataclass(frozen=True)
class PlannedCell:
    """One cell in plain values, with where it stands.

    Attributes:
        row: The row of an ablation; None outside one.
        name: Its folder's name.
        folder: Where it lives.
        arguments: What to call ``python -m harness`` with.
        epochs: Length of its training; None where nobody knows it yet.
        metrics: What it is scored by.
        standing: Where it stands. ``unknown``: its raw files are not at hand, so ``name`` and ``folder``
            are not known either. ``stale``: not done, while a result of other versions is there and kept.
            ``unscored``: complete but for some of the metrics, which need no training.
        message: More about its standing.
        seconds: Estimate of the time that is left for it; None where nothing like it was run before.
        pace: Seconds of one of its epochs, with scoring; None where nothing like it was run before.
        longest: Seconds of the longest evaluation of any cell like it; None where none was seen.
    """

    model: str
    row: str | None
    dataset: str
    resolution: int
    seed: int
    name: str
    folder: Path
    arguments: tuple[str, ...]
    epochs: int | None
    metrics: tuple[str, ...]
    standing: Standing
    message: str
    seconds: float | None
    pace: float | None = None
    longest: float | None = None

    @property
    def label(self) -> str:
        """The cell as people call it."""
        row = f" [{self.row}]" if self.row else ""
        return f"{self.model}{row} {self.dataset} {self.resolution} px seed {self.seed}"

    @property
    def point(self) -> Point:
        """Where it is in the grid."""
        return Point(self.model, self.dataset, self.resolution, self.seed)


@dataclass(frozen=True)
class Plan:
    """A grid's cells, and where they stand."""

    cells: list[PlannedCell]


@dataclass(frozen=True)
class GridOptions:
    """What the command line adds to a grid.

    Attributes:
        presets: Presets that win over the grid's settings.
        settings: Settings that win over everything but the rows of an ablation.
        roots: Folder of raw files by data set; the one called ``""`` is for all others, and holds either
            the files or a folder with the data set's name.
        weights: Files or folders of weights that the user named.
        skip_bad: Leave damaged raw files out, and record them.
        device_memory: Bytes that the images of each cell may take on its device; None where nobody said.
    """

    presets: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    roots: Mapping[str, Path] = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    skip_bad: bool = False
    device_memory: int | None = None
