"""Cells as tasks of Ray. They end with the command that submitted them; what they did is saved."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ....api.executor import PAUSED, STOPPED, Ended, Executor, Job, JobState, Reason, Resources, SubmittedJob
from ....errors import BenchError, SpecError
from ...told import last_words, tail_of
from .config import RayConfig
from .task import STARTED, compute

LOOK_SECONDS = 0.2
"""Between two questions to Ray, and two looks at a log: for all cells at once."""
AGAIN_SECONDS = 5.0
"""After which a task that goes on is asked to end once more: a busy machine's Ray may lose the first word."""

_ASKED: dict[int, Reason] = {PAUSED: "timeout", STOPPED: "cancelled"}


class Ray(Executor[RayConfig]):
    """Cells as tasks of Ray, which starts those again whose node was lost."""

    Config = RayConfig

    def __init__(self, resources: Resources, config: RayConfig | None = None) -> None:
        super().__init__(resources, config)
        if resources.per_device != 1:
            raise SpecError("cells that share a GPU", needed="a part of one each: --set-executor gpus=0.5")
        if resources.device not in (None, "cpu", "cuda"):
            raise SpecError(
                f"device {resources.device} of a task", needed="auto, cpu or cuda: Ray says which"
            )
        self.slots: int | None = resources.jobs
        self._pending: dict[Any, RayJob] = {}
        self._asked = float("-inf")

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        """Submit a task for each cell."""
        ray = self._connected()
        remote = ray.remote(compute)
        for job in jobs:
            config = job.config or self.config
            assert isinstance(config, RayConfig)
            gpus = self._gpus(ray, config)
            device = self.resources.device or ("cuda" if gpus else "cpu")
            arguments = (*job.arguments, f"--device={device}", f"--threads={config.cores}")
            task = RayJob(self, job.name)
            reference = remote.options(
                name=job.name,
                num_cpus=config.cores,
                num_gpus=gpus,
                memory=None if config.memory is None else config.memory << 20,
                resources=config.resources or None,
                max_retries=config.retries,
            ).remote(arguments, str(self.resources.log_of(job.name).absolute()))
            task.reference = reference
            self._pending[reference] = task
            yield task

    def ask(self) -> None:
        """Find out which tasks ended since the last time."""
        if not self._pending or time.monotonic() - self._asked < LOOK_SECONDS:
            return
        self._asked = time.monotonic()
        ray = _ray()
        for task in self._pending.values():
            if task.cancelled is not None and time.monotonic() - task.cancelled > AGAIN_SECONDS:
                task.cancel(force=False)
        over, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        for reference in over:
            self._pending.pop(reference).end(ray, reference)

    def _connected(self) -> Any:
        ray = _ray()
        if ray.is_initialized():
            return ray
        # Nothing is told to anybody, and nobody else answers this process's signals.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGTERM)
        try:
            local = (
                {} if self.config.address else {"num_cpus": self.resources.cores, "include_dashboard": False}
            )
            ray.init(address=self.config.address, log_to_driver=False, logging_level="ERROR", **local)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise BenchError(
                f"there is no Ray at {self.config.address}: {next(iter(str(error).splitlines()), error)}",
                needed="the address of a cluster",
                hint="ray status; or --set-executor address=null for one of this machine",
            ) from error
        finally:
            if is_main:
                signal.signal(signal.SIGTERM, before)
        return ray

    def _gpus(self, ray: Any, config: RayConfig) -> float:
        """GPUs for a cell."""
        there = ray.cluster_resources().get("GPU", 0.0)
        if config.gpus is None:
            return 1.0 if there and self.resources.device != "cpu" else 0.0
        if config.gpus > there and config.address is None:
            raise SpecError(
                f"{config.gpus:g} GPUs for each cell, and {there:g} here",
                needed="as many as there are",
                hint="--set-executor gpus=0",
            )
        return float(config.gpus)


class RayJob(SubmittedJob):
    """One cell as a task.

    Attributes:
        reference: Ray's word for it.
        cancelled: When it was last asked to end; None where it was not.
    """

    reference: Any
    cancelled: float | None = None

    def __init__(self, executor: Ray, name: str) -> None:
        self.executor = executor
        self.path = executor.resources.log_of(name)
        self._own_start = self.path.stat().st_size if self.path.exists() else 0
        self._looked = float("-inf")
        self._state = JobState("queued")
        self._ended: Ended | None = None

    @property
    def state(self) -> JobState:
        """As the cell's log says: its task writes there first of all where it is."""
        if self._ended is None and time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            told = [line for line in self.log().splitlines() if line.startswith(STARTED)]
            if told:
                self._state = JobState("running", told[-1].removeprefix(STARTED))
        return self._state

    def poll(self) -> Ended | None:
        """How it ended, as Ray says."""
        if self._ended is None:
            self.executor.ask()
        return self._ended

    def log(self) -> str:
        """The end of what it printed since it was submitted."""
        return tail_of(self.path, self._own_start)

    def stop(self, *, now: bool) -> None:
        """Cancel the task: the cell saves. ``now`` kills its worker: the cell notices, and saves too."""
        if self._ended is None:
            self.cancel(force=now)

    def cancel(self, *, force: bool) -> None:
        """Ask Ray to end it."""
        self.cancelled = time.monotonic()
        _ray().cancel(self.reference, force=force)

    def end(self, ray: Any, reference: Any) -> None:
        """Keep how it ended."""
        errors = ray.exceptions
        try:
            code = ray.get(reference)
        except errors.TaskCancelledError:
            self._ended = Ended(STOPPED, "cancelled", "cancelled")
        except errors.OutOfMemoryError as error:
            self._ended = Ended(None, _first_line(error), "out of memory")
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError) as error:
            self._ended = Ended(None, _first_line(error), "node lost")
        except errors.RayError as error:
            self._ended = Ended(None, _first_line(error), "exit")
        else:
            self._ended = Ended(code, f"exit {code}{last_words(self.log())}", _ASKED.get(code, "exit"))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise BenchError(
            "Ray is not installed",
            needed="the package ray, in one version on all nodes",
            hint="pip install 'hagan-bench[ray]'",
        ) from error
