"""The contract of an executor: something that computes the cells of a grid, here or elsewhere.

Registered with ``bench_executors``, chosen with ``bench grid --executor``.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BenchError

BUSY = 75
"""Exit code of a cell that another process works on (the system's code for 'try again later')."""
USER_ERROR = BenchError.exit_code
"""Exit code of a cell that can't work until somebody changes something: trying again is no use."""


@dataclass(frozen=True)
class Job:
    """One cell: all that an executor is given of it.

    Attributes:
        name: The cell's name, for logs.
        arguments: ``python -m harness`` with these computes it, or goes on with it, wherever the results
            and the cache are the same folders. Where it stands, and what came out, is in the results.
    """

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Resources:
    """What an executor may use.

    Attributes:
        devices: Names of this machine's devices: ``cuda:0``, ``cuda:1``, or ``cpu`` alone.
        cores: Processor cores that this process may use.
        jobs: Cells at a time that the user asked for; None leaves it to the executor.
        per_device: Cells that share one accelerator.
        logs: Folder for what cells print.
    """

    devices: Sequence[str]
    cores: int
    jobs: int | None
    per_device: int
    logs: Path

    def log_of(self, name: str) -> Path:
        """The file for what the cell called ``name`` prints."""
        return self.logs / f"{name}.txt"


@dataclass(frozen=True)
class Ended:
    """A process that is over.

    Attributes:
        code: Exit code, such as ``BUSY`` or ``USER_ERROR``; negative for the signal that killed it.
        message: The last thing it said.
    """

    code: int
    message: str


class SubmittedJob(abc.ABC):
    """A cell on its way."""

    @abc.abstractmethod
    def poll(self) -> Ended | None:
        """How it ended, or None while it goes on. Cheap: it is asked many times a second."""

    @abc.abstractmethod
    def stop(self, *, now: bool) -> None:
        """Ask it to save its state and end; ``now``: to end without saving."""


class Executor(abc.ABC):
    """Computes cells. It is made with ``Resources``.

    Attributes:
        slots: How many cells it computes at a time.
    """

    slots: int

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    @abc.abstractmethod
    def start(self, job: Job) -> SubmittedJob:
        """Begin with a cell. It is called only while fewer than ``slots`` are on their way."""
