"""The contract of an executor: something that computes the cells of a grid, here or elsewhere.

Registered with ``bench_executors``, chosen with ``bench grid --executor``.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, get_args

from ..errors import BenchError
from .settings import ConfigT, PluginConfig

BUSY = 75
"""Exit code of a cell that another process works on (the system's code for 'try again later')."""
USER_ERROR = BenchError.exit_code
"""Exit code of a cell that can't work until somebody changes something: trying again is no use."""
PAUSED = 85
"""Exit code of a cell that was sent SIGUSR1, as its time here is up: saved, and to be gone on with."""
STOPPED = 86
"""Exit code of a cell that was sent SIGTERM: it saved its state."""

Reason = Literal["exit", "timeout", "preempted", "node lost", "out of memory", "cancelled"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Job:
    """One cell: all that an executor is given of it.

    Attributes:
        name: The cell's name, for logs and for ``Executor.attach``.
        arguments: ``python -m harness`` with these computes it, or goes on with it, wherever the results
            and the cache are the same folders. Where it stands, and what came out, is in the results.
        config: What the cell needs, of the executor's ``Config``; None for what the executor was made with.
        folder: Where the cell keeps its state; None where it keeps none.
        longest: Seconds for which cells like it were seen not to notice a request to end; None where nothing
            like it was seen.
    """

    name: str
    arguments: tuple[str, ...]
    config: PluginConfig | None = None
    folder: Path | None = None
    longest: float | None = None


@dataclass(frozen=True)
class Resources:
    """What an executor may use.

    Attributes:
        devices: Names of this machine's devices: ``cuda:0``, ``cuda:1``, or ``cpu`` alone.
        cores: Processor cores that this process may use.
        jobs: Cells at a time that the user asked for; None leaves it to the executor.
        per_device: Cells that share one accelerator.
        logs: Folder for what cells print.
        device: The device that the user asked for by name; None for whatever a cell finds where it runs.
    """

    devices: Sequence[str]
    cores: int
    jobs: int | None
    per_device: int
    logs: Path
    device: str | None = None

    def log_of(self, name: str) -> Path:
        """The file for what the cell called ``name`` prints, all its attempts one after the other."""
        return self.logs / f"{name}.txt"

    @property
    def jobs_folder(self) -> Path:
        """Folder for what an executor keeps of the cells that it submitted: all machines see it."""
        return self.logs.with_name("jobs")


@dataclass(frozen=True)
class JobState:
    """Where a cell is that has not ended.

    Attributes:
        phase: Whether it waits for its turn or runs.
        node: The machine that it runs on, where the executor knows.
    """

    phase: Literal["queued", "running"]
    node: str | None = None


@dataclass(frozen=True)
class Ended:
    """A process that is over.

    Attributes:
        code: Exit code, such as ``BUSY`` or ``USER_ERROR``; negative for the signal that killed it; None
            where nobody knows.
        message: The last thing it said.
        reason: Why it is over: by itself, or by whom.
    """

    code: int | None
    message: str
    reason: Reason = "exit"


class SubmittedJob(abc.ABC):
    """A cell on its way."""

    @property
    @abc.abstractmethod
    def state(self) -> JobState:
        """Where it is, as far as is known; of one that ended, where it was last. As cheap as ``poll``."""

    @abc.abstractmethod
    def poll(self) -> Ended | None:
        """How it ended, or None while it goes on. Cheap: it is asked many times a second."""

    @abc.abstractmethod
    def log(self) -> str:
        """What it printed so far, or the end of that; empty where there is nothing yet."""

    @abc.abstractmethod
    def stop(self, *, now: bool) -> None:
        """Ask it to save its state and end; ``now``: to end without saving. One that waits ends at once."""


class Executor(abc.ABC, Generic[ConfigT]):
    """Computes cells.

    Attributes:
        Config: Every setting, declared with ``setting``. None of them changes a result.
        outlives: Whether cells go on when the process that submitted them ends: ``attach`` finds them then.
        slots: How many cells it takes at a time, the queued ones included; None for any number.
        config: Its settings, as given.
        handover: What the user has to type before the submitted cells begin; empty where nothing. There is
            nobody to ask how they are then, so a grid leaves once they are submitted.
    """

    Config: ClassVar[type[PluginConfig]] = PluginConfig
    outlives: ClassVar[bool] = False
    slots: int | None
    handover: str = ""

    def __init__(self, resources: Resources, config: ConfigT | None = None) -> None:
        self.resources = resources
        self.config: Any = self.Config() if config is None else config

    @abc.abstractmethod
    def submit(self, jobs: Sequence[Job]) -> Iterable[SubmittedJob]:
        """Begin with cells, in order, of which there are never more on their way than ``slots``.

        What is returned is read one by one, and may be a generator: cells that were submitted before an error
        are known then.

        Raises:
            BenchError: A cell can't be submitted.
        """

    def attach(self, names: Collection[str]) -> Mapping[str, SubmittedJob]:
        """Those of the cells called ``names`` that are on their way already, whoever submitted them."""
        return {}

    def stop(self, jobs: Sequence[SubmittedJob], *, now: bool) -> None:
        """``SubmittedJob.stop`` for many: override it where one request does for all."""
        for job in jobs:
            job.stop(now=now)
