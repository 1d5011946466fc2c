"""Cells as processes of this machine: one process a cell, so that what kills one leaves the others alone."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...api.executor import STOPPED, Ended, Executor, Job, JobState, Resources, SubmittedJob
from ...api.settings import PluginConfig, setting
from ...errors import SpecError
from ...files import storage_error
from ...limits import PLACES
from ..told import last_words, tail_of


class LocalConfig(PluginConfig):
    """How many cells share this machine."""

    cores_per_cell: int = setting(
        2,
        "processor cores for each cell where there is no GPU: more make small networks hardly faster",
        source="ours: measured",
        ge=1,
    )


class Local(Executor[LocalConfig]):
    """A slot for each accelerator, or several on each; without one, slots share the cores."""

    Config = LocalConfig
    slots: int

    def __init__(self, resources: Resources, config: LocalConfig | None = None) -> None:
        super().__init__(resources, config)
        if (resources.jobs is not None and resources.jobs < 1) or resources.per_device < 1:
            raise SpecError("a grid with no slot", needed="--jobs and --per-device of 1 or more")
        if max(resources.jobs or 0, resources.per_device * len(resources.devices)) > PLACES:
            raise SpecError(
                "a grid with too many cells at a time", needed=f"at most {PLACES}", hint="--jobs auto"
            )
        own = [device for _ in range(resources.per_device) for device in resources.devices]
        if list(resources.devices) == ["cpu"]:
            own = ["cpu"] * max(1, resources.cores // self.config.cores_per_cell)
        self.places = [own[number % len(own)] for number in range(resources.jobs or len(own))]
        self.slots = len(self.places)
        self.threads = max(1, resources.cores // self.slots)
        self.running: list[Process] = []

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        """Start a process for each cell, on the place that is least busy."""
        for job in jobs:
            self.running = [process for process in self.running if process.poll() is None]
            busy = Counter(process.place for process in self.running)
            place = min(self.places, key=lambda place: busy[place] / self.places.count(place))
            process = Process(job, place, self.threads, self.resources.log_of(job.name))
            self.running.append(process)
            yield process


class Process(SubmittedJob):
    """One cell in a process of its own."""

    state = JobState("running", socket.gethostname())

    def __init__(self, job: Job, place: str, threads: int, log: Path) -> None:
        self.place = place
        self.path = log
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
        if code is None:
            return None
        was_asked = code in (STOPPED, -signal.SIGTERM)
        return Ended(code, self._message(code), "cancelled" if was_asked else "exit")

    def log(self) -> str:
        """The end of what this attempt printed."""
        return tail_of(self.path, self.own_start)

    def stop(self, *, now: bool) -> None:
        """Send SIGTERM, or SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if now else signal.SIGTERM)

    def _message(self, code: int) -> str:
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit {code}{last_words(self.log())}"
