"""Cells as Indexed Jobs of Kubernetes: written as files, applied on request, found again by their names."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from ....api.executor import PAUSED, STOPPED, Ended, Executor, Job, JobState, Reason, Resources, SubmittedJob
from ....claims import Claim
from ....errors import SpecError
from ....files import storage_error, typed
from ...cells import CELLS, read_cells, write_cells
from ...jobs import unpack
from ...told import last_words, tail_of
from .config import KubernetesConfig
from .kubectl import Kubectl, KubernetesJob, Pod
from .manifest import MANIFEST, mount_of, name_of, write_job

TOGETHER = 1000
"""Cells of one Job: its status names every index that ended."""
GONE_SECONDS = 75.0
"""So long after Kubernetes has forgotten a Job its cells are given up: a record may be seen a minute late."""

_ASKED: dict[int, Reason] = {PAUSED: "timeout", STOPPED: "cancelled"}


class Kubernetes(Executor[KubernetesConfig]):
    """Cells as Indexed Jobs of Kubernetes, which go on when the command that wrote them ends."""

    Config = KubernetesConfig
    outlives = True
    slots = None

    def __init__(self, resources: Resources, config: KubernetesConfig | None = None) -> None:
        super().__init__(resources, config)
        if resources.per_device != 1:
            raise SpecError("cells that share a GPU", needed="one cell for each pod")
        if resources.device not in (None, "cpu", "cuda"):
            raise SpecError(f"device {resources.device} of a pod", needed="auto, cpu or cuda")
        self.kubectl = Kubectl(self.config.namespace)
        self.folder = resources.jobs_folder.absolute()

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        """Write a Job for all cells of equal settings that follow each other, and yield cell by cell."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        claim = Claim(self.folder)
        # Two grids that find no Job at the same time must not both make one.
        claim.wait(lambda: None)
        try:
            found = self.attach({job.name for job in jobs})
            for is_new, some in groupby(jobs, key=lambda job: job.name not in found):
                if not is_new:
                    yield from (found[job.name] for job in some)
                    continue
                for _, alike in groupby(some, key=lambda job: (job.config or self.config, job.longest)):
                    cells = list(alike)
                    for start in range(0, len(cells), TOGETHER):
                        claim.heed()
                        yield from self._submit(cells[start : start + TOGETHER])
        finally:
            claim.release()

    def attach(self, names: Collection[str]) -> Mapping[str, SubmittedJob]:
        """Those of the cells that wait or run in Jobs; where files alone are written, nobody is asked."""
        if not self.config.apply or not any(self.folder.glob(f"*/{MANIFEST}")):
            return {}
        wanted, found = set(names), {}
        for name, job in self.kubectl.ask().items():
            folder = self.folder / name.removeprefix("bench-")
            if job.ended is not None or not (folder / CELLS).exists():
                continue  # over, or of another results folder
            for index, cell in enumerate(read_cells(folder / CELLS)):
                if cell.name in wanted and index not in job.done | job.failed:
                    found[cell.name] = PodJob(self, folder, index, cell.name)
        return found

    def stop(self, jobs: Sequence[SubmittedJob], *, now: bool) -> None:
        """Delete the Jobs that the cells are of: their pods save, unless it is to be ``now``."""
        names = sorted({name_of(job.folder) for job in jobs if isinstance(job, PodJob)})
        if names and self.config.apply:
            hurry = ("--grace-period=0", "--force") if now else ()
            self.kubectl.call("delete", "jobs", "--ignore-not-found", "--wait=false", *hurry, *names)

    def _submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        config = jobs[0].config or self.config
        assert isinstance(config, KubernetesConfig)
        self._check_paths(jobs[0], config)
        folder = write_cells(self.folder, jobs)
        path = write_job(folder, len(jobs), config, self.resources, longest=jobs[0].longest)
        if self.config.apply:
            # One that ended is replaced: what is left of its cells begins again.
            known = self.kubectl.lately().get(name_of(folder))
            if known is not None and known.ended is not None:
                self.kubectl.call("delete", "jobs", "--ignore-not-found", name_of(folder))
            self.kubectl.call("apply", f"--filename={path}")
        else:
            self.handover = "\n".join(filter(None, [self.handover, typed("kubectl", "apply", "-f", path)]))
        for index, job in enumerate(jobs):
            yield PodJob(self, folder, index, job.name)

    def _check_paths(self, job: Job, config: KubernetesConfig) -> None:
        """A container sees nothing but the shared volume."""
        mount = mount_of(config, self.resources)
        paths = [self.folder]
        if job.arguments[1].startswith("{"):
            packed = unpack(job.arguments[1])
            root = packed.request.data_root
            paths += [packed.results, packed.cache, *packed.weights, *([] if root is None else [root])]
        if outside := [path for path in map(os.path.normpath, paths) if not Path(path).is_relative_to(mount)]:
            raise SpecError(
                f"containers see {mount}, and that does not hold {', '.join(outside)}",
                needed="results, cache, raw files and weights on the shared volume",
                hint="--cache, --data-root, or --set-executor mount=FOLDER",
            )


class PodJob(SubmittedJob):
    """One cell of a Job.

    Args:
        executor: Who submitted or found it.
        folder: The folder of its Job.
        index: Its index there.
        name: The cell's name.
    """

    def __init__(self, executor: Kubernetes, folder: Path, index: int, name: str) -> None:
        self.executor, self.folder, self.index, self.name = executor, folder, index, name
        self._began = time.monotonic()
        self._gone: float | None = None
        self._ended: Ended | None = None
        self._state = JobState("queued")
        path = executor.resources.log_of(name)
        self._own_start = path.stat().st_size if path.exists() else 0

    @property
    def state(self) -> JobState:
        """As Kubernetes said the last time that it was asked."""
        job = self._job()
        if job is not None and (pod := job.pods.get(self.index)) is not None:
            is_running = pod.phase == "Running"
            self._state = JobState("running", pod.node or None) if is_running else JobState("queued")
        return self._state

    def poll(self) -> Ended | None:
        """How it ended, as Kubernetes says."""
        if self._ended is None:
            self._ended = self._end()
        return self._ended

    def log(self) -> str:
        """The end of what it printed since this object knows it."""
        return tail_of(self.executor.resources.log_of(self.name), self._own_start)

    def stop(self, *, now: bool) -> None:
        """Delete its Job, with all its cells: Kubernetes ends no index of one alone."""
        self.executor.stop([self], now=now)

    def _job(self) -> KubernetesJob | None:
        if not self.executor.config.apply:
            return None
        return self.executor.kubectl.lately().get(name_of(self.folder))

    def _end(self) -> Ended | None:
        if not self.executor.config.apply:
            return None  # nobody can be asked
        job, kubectl = self._job(), self.executor.kubectl
        if kubectl.asked < self._began or kubectl.trouble:
            return None
        if job is None:
            self._gone = self._gone or time.monotonic()
            is_lost = time.monotonic() - self._gone >= GONE_SECONDS
            return Ended(None, "its Job was deleted", "cancelled") if is_lost else None
        self._gone = None
        if self.index in job.done:
            return Ended(0, "exit 0")
        if self.index in job.failed or job.ended is not None:
            return self._failure(job.pods.get(self.index), job.ended)
        return None

    def _failure(self, pod: Pod | None, why: str | None) -> Ended:
        code = None if pod is None else pod.code
        if pod is not None and pod.reason == "OOMKilled":
            return Ended(code, f"out of memory, on {pod.node}", "out of memory")
        words = last_words(self.log()) or (f": {why}" if why else "")
        return Ended(code, f"exit {code}{words}", _ASKED.get(code or 0, "exit"))
