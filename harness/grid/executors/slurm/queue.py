"""What SLURM says of this user's jobs. It is asked seldom, and for all of them at once."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from ....api.executor import Reason
from ....errors import BenchError
from ..asking import Asking

_COLUMNS = {"ArrayJobID": 16, "ArrayTaskID": 16, "Name": 64, "State": 20, "exit_code": 12, "NodeList": 64}
_QUEUED = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESIZING"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"}
_REASONS: dict[str, Reason] = {
    "COMPLETED": "exit",
    "FAILED": "exit",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "PREEMPTED": "preempted",
    "NODE_FAIL": "node lost",
    "BOOT_FAIL": "node lost",
    "OUT_OF_MEMORY": "out of memory",
}

Place = tuple[str, int]
"""Name of an array and index in it: what a cell keeps when it is queued again, under whatever number."""


class Entry(NamedTuple):
    """One job of an array.

    Attributes:
        job: The array's number.
        position: Its index in the array.
        state: SLURM's word.
        code: Exit code; negative for a signal; None while it has none.
        node: Where it runs or ran; empty while it waits.
    """

    job: int
    position: int
    state: str
    code: int | None
    node: str

    @property
    def is_queued(self) -> bool:
        """Whether it waits for its turn."""
        return self.state in _QUEUED

    @property
    def is_over(self) -> bool:
        """Whether it ended. A state that nobody knows yet is none of an end."""
        return self.state in _REASONS

    @property
    def reason(self) -> Reason:
        """Why it ended."""
        return _REASONS[self.state]


class Queue(Asking[dict[Place, Entry]]):
    """The newest job of every cell of this user that SLURM still knows."""

    def answer(self) -> dict[Place, Entry]:
        """What SLURM lists now.

        Raises:
            BenchError: SLURM does not answer.
        """
        columns = ",".join(f"{name}:{width}" for name, width in _COLUMNS.items())
        command = ["squeue", "--me", "--noheader", "--array", "--states=all", f"--Format={columns}"]
        return read_listing(call(command))


def read_listing(text: str) -> dict[Place, Entry]:
    """The newest job of every cell in the answer of squeue; jobs that are no cells are left out."""
    entries: dict[Place, Entry] = {}
    for line in text.splitlines():
        fields, start = [], 0
        for width in _COLUMNS.values():
            fields.append(line[start : start + width].strip())
            start += width
        job, index, name, state, status, node = fields
        if not (name.startswith("bench-") and job.isdecimal() and index.isdecimal()):
            continue
        entry = Entry(int(job), int(index), state, _exit_code(state, status), node)
        known = entries.get((name, entry.position))
        if known is None or known.job < entry.job:
            entries[name, entry.position] = entry
    return entries


def _exit_code(state: str, status: str) -> int | None:
    """The exit code in a status as the system's ``wait`` gives it."""
    if state not in _REASONS or not status.isdecimal():
        return None
    number = int(status)
    return -(number & 0x7F) if number & 0x7F else number >> 8


def call(command: Sequence[str], *, patience: float = 60.0) -> str:
    """What one of SLURM's commands answers.

    Raises:
        BenchError: It is not there, fails, or says nothing for too long.
    """
    program = command[0]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=patience, check=False
        )
    except FileNotFoundError as error:
        raise BenchError(
            f"there is no {program} here",
            needed="a login node of a cluster with SLURM",
            hint="--executor local, or bench doctor",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{program} did not answer for {patience:g} s", hint="the same again later"
        ) from error
    if answer.returncode:
        said = "; ".join(answer.stderr.strip().splitlines()) or f"exit code {answer.returncode}"
        raise BenchError(
            f"SLURM refuses: {said}",
            needed="settings that this cluster knows",
            hint="sinfo, and bench show executor slurm",
        )
    return answer.stdout
