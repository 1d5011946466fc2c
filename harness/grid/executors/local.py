"""Cells as processes of this machine: one process a cell, so that what kills one leaves the others alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from ...api.executor import Ended, Executor, Job, Resources, SubmittedJob
from ...errors import SpecError
from ...files import storage_error
from ...limits import PLACES

CORES_PER_CELL = 2
"""On processors alone: more threads make one of these small networks hardly faster."""


class Local(Executor):
    """A slot for each accelerator, or several on each; without one, slots share the cores."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        if (resources.jobs is not None and resources.jobs < 1) or resources.per_device < 1:
            raise SpecError("a grid with no slot", needed="--jobs and --per-device of 1 or more")
        if max(resources.jobs or 0, resources.per_device * len(resources.devices)) > PLACES:
            raise SpecError(
                "a grid with too many cells at a time", needed=f"at most {PLACES}", hint="--jobs auto"
            )
        own = [device for _ in range(resources.per_device) for device in resources.devices]
        if list(resources.devices) == ["cpu"]:
            own = ["cpu"] * max(1, resources.cores // CORES_PER_CELL)
        self.places = [own[number % len(own)] for number in range(resources.jobs or len(own))]
        self.slots = len(self.places)
        self.threads = max(1, resources.cores // self.slots)
        self.running: list[Process] = []

    def start(self, job: Job) -> SubmittedJob:
        """Start a process for the cell on the place that is least busy."""
        self.running = [process for process in self.running if process.poll() is None]
        busy = Counter(process.place for process in self.running)
        place = min(self.places, key=lambda place: busy[place] / self.places.count(place))
        process = Process(job, place, self.threads, self.resources.log_of(job.name))
        self.running.append(process)
        return process


class Process(SubmittedJob):
    """One cell in a process of its own."""

    def __init__(self, job: Job, place: str, threads: int, log: Path) -> None:
        self.place = place
        self.log = log
        verb, *rest = job.arguments
        command = [sys.executable, "-m", "harness", verb, f"--device={place}", f"--threads={threads}", *rest]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                self.own_start = output.tell()  # earlier attempts stand before
                # A session of its own: Ctrl-C reaches the grid alone, which asks each cell once.
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise storage_error(log, error) from error

    def poll(self) -> Ended | None:
        """How the process ended."""
        code = self.process.poll()
        return None if code is None else Ended(code, self._message(code))

    def stop(self, *, now: bool) -> None:
        """Send SIGTERM, or SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if now else signal.SIGTERM)

    def _message(self, code: int) -> str:
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        try:
            own = self.log.read_bytes()[self.own_start :]
        except OSError:
            own = b""  # a log that somebody removed costs no more than its words
        lines = own.decode(errors="replace").strip().splitlines()
        told = [line for line in lines if line.startswith("error:")] or lines
        return f"exit {code}" + (f": {told[-1].removeprefix('error:').strip()}" if told else "")
