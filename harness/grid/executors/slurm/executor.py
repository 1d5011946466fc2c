"""Cells as jobs of SLURM: an array for all cells of equal settings, found again by its name."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

from ....api.executor import (
    PAUSED,
    STOPPED,
    Ended,
    Executor,
    Job,
    JobState,
    Reason,
    Resources,
    SubmittedJob,
)
from ....claims import Claim
from ....errors import BenchError, SpecError
from ....files import storage_error
from ...cells import CELLS, read_cells, write_cells
from ...told import last_words, tail_of
from ..asking import ASK_SECONDS
from .config import SlurmConfig, sbatch_options
from .queue import Entry, Place, Queue, call
from .script import ENDS, SCRIPT, name_of, write_script

ARRAY = 1000
"""Cells of one array: what SLURM admits where nobody changed it."""
AT_ONCE = 500
"""Jobs named in one command."""
LOOK_SECONDS = 1.0
"""Between two looks at the file that a cell leaves at its end; SLURM itself is asked less often."""
GONE_SECONDS = 75.0
"""A file may be seen a minute late; so long after SLURM has forgotten a cell it is given up."""


_ASKED: dict[int, Reason] = {PAUSED: "timeout", STOPPED: "cancelled"}
"""Why a cell was asked to save and end."""


class Slurm(Executor[SlurmConfig]):
    """Cells as jobs of SLURM, which go on when the command that submitted them ends."""

    Config = SlurmConfig
    outlives = True

    def __init__(self, resources: Resources, config: SlurmConfig | None = None) -> None:
        super().__init__(resources, config)
        if resources.per_device != 1:
            raise SpecError("cells that share a GPU", needed="one cell for each job of SLURM")
        if resources.device not in (None, "cpu", "cuda"):
            raise SpecError(
                f"device {resources.device} of a job", needed="auto, cpu or cuda: SLURM says which"
            )
        self.slots: int | None = self.config.queued
        self.queue = Queue({})
        self.folder = resources.jobs_folder.absolute()

    def submit(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        """Submit an array for all cells of equal settings that follow each other, and yield cell by cell."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        claim = Claim(self.folder)
        # Two grids that find an empty queue at the same time must not both fill it.
        claim.wait(lambda: None)
        try:
            found = self._attached({job.name for job in jobs}, self.queue.ask())
            for is_new, some in groupby(jobs, key=lambda job: job.name not in found):
                if not is_new:
                    yield from (found[job.name] for job in some)
                    continue
                for _, alike in groupby(some, key=lambda job: (job.config or self.config, job.longest)):
                    cells = list(alike)
                    for start in range(0, len(cells), ARRAY):
                        claim.heed()
                        yield from self._submit_array(cells[start : start + ARRAY])
        finally:
            claim.release()

    def attach(self, names: Collection[str]) -> Mapping[str, SubmittedJob]:
        """Those of the cells that wait or run in the queue; where nothing was submitted, it is not asked."""
        is_asked = any(self.folder.glob(f"*/{SCRIPT}"))
        return self._attached(names, self.queue.ask()) if is_asked else {}

    def stop(self, jobs: Sequence[SubmittedJob], *, now: bool) -> None:
        """Ask SLURM once for some hundred cells."""
        known = self.queue.lately()
        numbers = [job.number_in(known) for job in jobs if isinstance(job, SlurmJob)]
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            if now:
                _try(["scancel", *some])
            else:
                # To the script alone, which passes it on: a cell may take longer to save than SLURM waits.
                _try(["scancel", "--state=PENDING", *some])
                _try(["scancel", "--state=RUNNING", "--signal=TERM", "--batch", *some])

    def _submit_array(self, jobs: Sequence[Job]) -> Iterator[SubmittedJob]:
        config = jobs[0].config or self.config
        assert isinstance(config, SlurmConfig)
        folder = write_cells(self.folder, jobs)
        submit = write_script(
            folder,
            sbatch_options(config, longest=jobs[0].longest),
            self.resources.logs.absolute(),
            device=self.resources.device or ("cuda" if config.gpus else "cpu"),
            setup=config.setup,
        )
        at_a_time = f"%{self.resources.jobs}" if self.resources.jobs else ""
        answer = call([*submit, f"--array=0-{len(jobs) - 1}{at_a_time}", str(folder / "job.sh")])
        number = int(answer.strip().split(";")[0])
        for index, job in enumerate(jobs):
            yield SlurmJob(self, folder, index, job.name, number)

    def _attached(self, names: Collection[str], entries: Mapping[Place, Entry]) -> dict[str, SubmittedJob]:
        found: dict[str, SubmittedJob] = {}
        alive: dict[str, list[Entry]] = {}
        for (array, _), entry in entries.items():
            if not entry.is_over:
                alive.setdefault(array, []).append(entry)
        wanted = set(names)
        for array, some in alive.items():
            folder = self.folder / array.removeprefix("bench-")
            if not (folder / CELLS).exists():
                continue  # of another results folder
            cells = read_cells(folder / CELLS)
            for entry in some:
                if entry.position < len(cells) and (name := cells[entry.position].name) in wanted:
                    found[name] = SlurmJob(self, folder, entry.position, name, entry.job)
        return found


class SlurmJob(SubmittedJob):
    """One cell of an array.

    Args:
        executor: Who submitted or found it.
        folder: The folder of its array.
        index: Its index there.
        name: The cell's name.
        number: The array's number; a cell that is queued again has a higher one.
    """

    def __init__(self, executor: Slurm, folder: Path, index: int, name: str, number: int) -> None:
        self.executor, self.folder, self.index, self.name, self.number = executor, folder, index, name, number
        self._began = time.monotonic()
        self._looked = float("-inf")
        self._code: int | None = None
        self._gone: float | None = None
        self._ended: Ended | None = None
        self._state = JobState("queued")
        path = executor.resources.log_of(name)
        self._own_start = path.stat().st_size if path.exists() else 0

    @cached_property
    def place(self) -> Place:
        """By what SLURM's listing is searched."""
        return name_of(self.folder), self.index

    @property
    def state(self) -> JobState:
        """As SLURM said the last time that it was asked."""
        # Of one that is new, SLURM has not to be asked: others of its kind are being submitted just now.
        is_new = time.monotonic() - self._began < ASK_SECONDS
        queue = self.executor.queue
        entry = (queue.known if is_new else queue.lately()).get(self.place)
        if entry is not None and entry.job >= self.number and not entry.is_over:
            self._state = JobState("queued") if entry.is_queued else JobState("running", entry.node or None)
        return self._state

    def poll(self) -> Ended | None:
        """How it ended: well, as the file says that it leaves, or otherwise, as SLURM says too."""
        if self._ended is None:
            code = self._code_in_file()
            self._ended = self._by_itself(0) if code == 0 else self._from_queue(code)
        return self._ended

    def log(self) -> str:
        """The end of what it printed since this object knows it."""
        return tail_of(self.executor.resources.log_of(self.name), self._own_start)

    def stop(self, *, now: bool) -> None:
        """Ask SLURM to end it."""
        self.executor.stop([self], now=now)

    def number_in(self, entries: Mapping[Place, Entry]) -> str:
        """It, as scancel takes it."""
        entry = entries.get(self.place)
        return f"{max(self.number, entry.job if entry else 0)}_{self.index}"

    def _code_in_file(self) -> int | None:
        """The exit code that its script wrote down; None where there is none of this job yet."""
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS:
            self._looked = now
            try:
                text = (self.folder / ENDS / str(self.index)).read_text()
                number, code = (int(word) for word in text.split())
                self._code = code if number >= self.number else None
            except (OSError, ValueError):
                self._code = None
        return self._code

    def _from_queue(self, code: int | None) -> Ended | None:
        """SLURM says that it is over, or does not know it any more.

        A script that SLURM takes for lost may write an exit code while the cell waits for another node, so
        SLURM must say the same. And a script that SLURM takes for ended may have queued the cell again a
        moment ago, unless it wrote a code.
        """
        queue = self.executor.queue
        entry = queue.lately().get(self.place)
        if entry is not None and entry.job >= self.number:
            if not entry.is_over:
                self._gone = None
                return None
            if entry.reason != "exit":
                where = f", on {entry.node}" if entry.node else ""
                return Ended(entry.code, f"{entry.reason}{where}", entry.reason)
            if code is not None or entry.code == STOPPED:
                return self._by_itself(entry.code if code is None else code)
        elif queue.asked < self._began or queue.trouble:
            return None  # SLURM was not asked since
        elif code is not None:
            return self._by_itself(code)
        self._gone = self._gone or time.monotonic()
        if time.monotonic() - self._gone < GONE_SECONDS:
            return None
        if entry is not None and entry.job >= self.number:
            return self._by_itself(entry.code)
        return Ended(None, "SLURM does not know the job any more", "node lost")

    def _by_itself(self, code: int | None) -> Ended:
        """How a cell ended whose script came to its end."""
        message = f"exit {code}{last_words(self.log())}"
        return Ended(code, message, _ASKED.get(code or 0, "exit"))


def _try(command: Sequence[str]) -> None:
    """A request to end cells, some of which may have ended by themselves."""
    try:
        call(command)
    except BenchError:
        pass
