"""What the core may expect of every executor."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..api import USER_ERROR, Ended, Executor, Job, Resources, SubmittedJob
from .findings import Checked, Checks

POLL_SECONDS = 0.05
#: Cells that are over at once: one that prints and ends well, and one that nobody could compute.
PRINTS = Job("prints", ("cell", "--help"))
REFUSED = Job("refused", ("cell", "--no-such-option"))


def check_executor(executor: type[Executor], *, name: str | None = None, seconds: float = 60.0) -> Checked:
    """Check that an executor keeps its contract (``harness.api.Executor``).

    Args:
        executor: Its class.
        name: What to call it; None for the name of the class.
        seconds: How long a cell that takes a second may be on its way, queues included.
    """
    checks = Checks(f"executor {name or getattr(executor, '__name__', executor)}")
    if not checks.run("class", lambda: _faults_of_class(executor)):
        return checks.result
    with tempfile.TemporaryDirectory() as folder:
        one = _ExecutorChecks(executor, Path(folder), seconds)
        if checks.run("it can be made, and has slots", one.made):
            checks.run("a cell that ends well gives exit code 0 and a log", one.ends_well)
            checks.run(f"a cell that nobody could compute gives exit code {USER_ERROR}", one.refused)
            checks.run("all slots work at a time", one.slots)
            checks.run("a cell can be stopped", one.stops)
    return checks.result


def _faults_of_class(executor: object) -> Iterator[str]:
    if not (isinstance(executor, type) and issubclass(executor, Executor)):
        yield f"{executor!r} is no class of harness.api.Executor"
    elif missing := sorted(executor.__abstractmethods__):
        yield f"it lacks {', '.join(missing)}"


class _ExecutorChecks:
    """The checks that start cells."""

    def __init__(self, kind: type[Executor], folder: Path, seconds: float) -> None:
        self.kind = kind
        self.seconds = seconds
        self.resources = Resources(devices=["cpu"], cores=2, jobs=2, per_device=1, logs=folder / "logs")

    def made(self) -> Iterator[str]:
        self.executor = self.kind(self.resources)
        slots = getattr(self.executor, "slots", None)
        if not isinstance(slots, int) or slots < 1:
            yield f"slots is {slots!r} instead of the number of cells at a time"

    def ends_well(self) -> Iterator[str]:
        ended = self.wait(self.executor.start(PRINTS))
        if ended is None:
            yield f"it was not over after {self.seconds:g} s"
            return
        if ended.code != 0:
            yield f"exit code {ended.code}: {ended.message}"
        log = self.resources.log_of(PRINTS.name)
        if not log.is_file() or not log.read_bytes().strip():
            yield "what it printed is not in resources.log_of(job.name)"

    def refused(self) -> Iterator[str]:
        job = self.executor.start(REFUSED)
        ended = self.wait(job)
        if ended is None:
            yield f"it was not over after {self.seconds:g} s"
        elif ended.code != USER_ERROR:
            yield f"exit code {ended.code}: {ended.message}"
        elif not ended.message:
            yield "nothing is told of why it ended"
        elif job.poll() != ended:
            yield "poll() says something else when asked again"

    def slots(self) -> Iterator[str]:
        jobs = [self.executor.start(Job(f"slot{n}", PRINTS.arguments)) for n in range(self.executor.slots)]
        codes = [ended.code if ended else None for ended in map(self.wait, jobs)]
        if any(codes):
            yield f"exit codes {codes}"

    def stops(self) -> Iterator[str]:
        for now in (False, True):
            job = self.executor.start(Job(f"stopped{now}", PRINTS.arguments))
            job.stop(now=now)
            if self.wait(job) is None:
                yield f"after stop(now={now}) it was not over for {self.seconds:g} s"
            job.stop(now=now)  # by then there is nothing to stop, and nothing to complain of

    def wait(self, job: SubmittedJob) -> Ended | None:
        """How a cell ended; None where it does not in time, and then it is killed."""
        until = time.monotonic() + self.seconds
        while (ended := job.poll()) is None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        if ended is None:
            job.stop(now=True)
        return ended
