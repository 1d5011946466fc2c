"""What the core may expect of every executor."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..api import USER_ERROR, Ended, Executor, Job, JobState, PluginConfig, Resources, SubmittedJob
from ..api.executor import REASONS
from .findings import Checked, Checks
from .settings import faults_of_config

POLL_SECONDS = 0.05
#: Cells that are over at once: one that prints and ends well, and one that nobody could compute.
PRINTS = Job("prints", ("cell", "--help"))
REFUSED = Job("refused", ("cell", "--no-such-option"))


def check_executor(
    executor: type[Executor],
    *,
    name: str | None = None,
    seconds: float = 60.0,
    config: PluginConfig | None = None,
) -> Checked:
    """Check that an executor keeps its contract (``harness.api.Executor``).

    Args:
        executor: Its class.
        name: What to call it; None for the name of the class.
        seconds: How long a cell that takes a second may be on its way, queues included.
        config: Its settings, such as where to compute; None for the defaults.
    """
    checks = Checks(f"executor {name or getattr(executor, '__name__', executor)}")
    if not checks.run("class", lambda: _faults_of_class(executor)):
        return checks.result
    checks.run("settings", lambda: faults_of_config(executor))
    # Beside the caller, not in /tmp: what computes elsewhere must see the folder.
    with tempfile.TemporaryDirectory(prefix=".bench-check-", dir=Path.cwd()) as folder:
        one = _ExecutorChecks(executor, Path(folder), seconds, config)
        if checks.run("it can be made, and has slots", one.made):
            checks.run("a cell that ends well gives exit code 0 and a log", one.ends_well)
            checks.run(f"a cell that nobody could compute gives exit code {USER_ERROR}", one.refused)
            checks.run("all slots work at a time", one.slots)
            checks.run("cells on their way are found again, and no others", one.attaches)
            checks.run("a cell can be stopped", one.stops)
    return checks.result


def _faults_of_class(executor: object) -> Iterator[str]:
    if not (isinstance(executor, type) and issubclass(executor, Executor)):
        yield f"{executor!r} is no class of harness.api.Executor"
    elif missing := sorted(executor.__abstractmethods__):
        yield f"it lacks {', '.join(missing)}"


class _ExecutorChecks:
    """The checks that start cells."""

    def __init__(
        self, kind: type[Executor], folder: Path, seconds: float, config: PluginConfig | None
    ) -> None:
        self.kind, self.seconds, self.config = kind, seconds, config
        self.resources = Resources(devices=["cpu"], cores=2, jobs=2, per_device=1, logs=folder / "logs")

    def made(self) -> Iterator[str]:
        self.executor = self.kind(self.resources, self.config)
        slots = getattr(self.executor, "slots", 0)
        if slots is not None and (not isinstance(slots, int) or slots < 1):
            yield f"slots is {slots!r} instead of the number of cells at a time, or None for any"

    def ends_well(self) -> Iterator[str]:
        (task,) = self.submit([PRINTS])
        yield from self.faults_of_state(task)
        ended = self.wait(task)
        if ended is None:
            yield f"it was not over after {self.seconds:g} s"
            return
        if ended.code != 0:
            yield f"exit code {ended.code}: {ended.message}"
        if ended.reason != "exit":
            yield f"its reason is {ended.reason!r} instead of 'exit'"
        log = self.resources.log_of(PRINTS.name)
        if not log.is_file() or not log.read_bytes().strip():
            yield "what it printed is not in resources.log_of(job.name)"
        if not task.log().strip():
            yield "log() is empty"

    def refused(self) -> Iterator[str]:
        (task,) = self.submit([REFUSED])
        ended = self.wait(task)
        if ended is None:
            yield f"it was not over after {self.seconds:g} s"
        elif ended.code != USER_ERROR:
            yield f"exit code {ended.code}: {ended.message}"
        elif not ended.message:
            yield "nothing is told of why it ended"
        elif task.poll() != ended:
            yield "poll() says something else when asked again"

    def slots(self) -> Iterator[str]:
        jobs = [Job(f"slot{number}", PRINTS.arguments) for number in range(self.executor.slots or 3)]
        tasks = self.submit(jobs)
        if len(tasks) != len(jobs):
            yield f"submit() gave {len(tasks)} for {len(jobs)} jobs"
        codes = [ended.code if ended else None for ended in map(self.wait, tasks)]
        if set(codes) != {0}:
            yield f"exit codes {codes}"

    def attaches(self) -> Iterator[str]:
        jobs = [Job("attached", PRINTS.arguments)]
        (task,) = self.submit(jobs)
        found = self.kind(self.resources, self.config).attach({"attached", "never-submitted"})
        if strangers := set(found) - {"attached"}:
            yield f"attach() gave {', '.join(map(repr, strangers))}, which nobody submitted"
        if self.kind.outlives and not found and task.poll() is None:
            yield "it outlives its process, and attach() does not find a cell that is on its way"
        for one in (task, *found.values()):
            if self.wait(one) is None:
                yield f"it was not over after {self.seconds:g} s"

    def stops(self) -> Iterator[str]:
        for now in (False, True):
            (task,) = self.submit([Job(f"stopped{now}", PRINTS.arguments)])
            self.executor.stop([task], now=now)
            ended = self.wait(task)
            if ended is None:
                yield f"after stop(now={now}) it was not over for {self.seconds:g} s"
            elif ended.reason not in REASONS:
                yield f"its reason is {ended.reason!r} instead of one of {', '.join(REASONS)}"
            task.stop(now=now)  # by then there is nothing to stop, and nothing to complain of

    def submit(self, jobs: Sequence[Job]) -> list[SubmittedJob]:
        return list(self.executor.submit(jobs))

    def faults_of_state(self, task: SubmittedJob) -> Iterator[str]:
        """Where a cell on its way is said to be."""
        state = task.state
        if not isinstance(state, JobState) or state.phase not in ("queued", "running"):
            yield f"state is {state!r} instead of a JobState that is queued or running"

    def wait(self, task: SubmittedJob) -> Ended | None:
        """How a cell ended; None where it does not in time, and then it is killed."""
        until = time.monotonic() + self.seconds
        while (ended := task.poll()) is None and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        if ended is None:
            task.stop(now=True)
        return ended
