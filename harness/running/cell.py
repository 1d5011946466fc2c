"""One cell, from a request to a record.

What is done stays done: a finished cell is returned as it is, a half-done one goes on from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout

from ..cell.holder import holder_of, remove_holder, write_holder
from ..cell.records import Record, RecordError, RunFolder, missing_metrics
from ..cell.spec import RunRequest, RunSpec
from ..errors import BusyError, SpecError
from ..files import leave_aside, storage_error
from .environment import pick_device
from .place import Settings
from .resolve import resolve
from .work import Work


@dataclass(frozen=True)
class Outcome:
    """A finished cell.

    Attributes:
        is_new: Whether this call did anything, or found the record as it is.
    """

    folder: RunFolder
    record: Record
    is_new: bool


def run_cell(request: RunRequest, settings: Settings, *, expect: str | None = None) -> Outcome:
    """Train, score and record one cell, or go on with it, or return what is there.

    Args:
        request: What somebody asked for.
        settings: Where and on what it runs.
        expect: The identity that the cell must have; None for any.

    Raises:
        BenchError: Anything that the user can put right.
        Interrupted: ``settings.stop`` said so; the state is saved.
    """
    cell = resolve(request)
    if expect is not None and cell.spec.identity != expect:
        raise SpecError(
            f"here this is cell {cell.spec.folder_name}, and cell {expect[:8]} was asked for",
            needed="the same raw files, and the same versions of the plugins, on all machines",
            hint="the same command again, from an environment and raw files that all machines share",
        )
    folder = settings.results.folder(cell.spec)
    device = pick_device(settings.device)
    with _locked(folder):
        record = _trusted_record(cell.spec, folder, settings.tell)
        work = Work(cell, folder, settings, device)
        if record is None or record.status == "failed":
            return Outcome(folder, work.run(), is_new=True)
        missing = missing_metrics(record.score_versions, cell.spec.protocol.metrics)
        if record.status == "complete" and missing:
            return Outcome(folder, work.add_scores(record, missing), is_new=True)
        if not folder.spec.exists():
            folder.write_spec(cell.spec)
        return Outcome(folder, record, is_new=False)


def _trusted_record(spec: RunSpec, folder: RunFolder, tell: Callable[[str], None]) -> Record | None:
    """The cell's record; one that is damaged, edited or another cell's is left aside and made again."""
    try:
        record = folder.read_record()
        if record is None or record.identity == spec.identity:
            return record
        problem = f"{folder.record} is of another cell, {record.spec.folder_name}"
    except RecordError as error:
        problem = error.found
    aside = leave_aside(folder.record)
    tell(f"{problem}; it is left aside as {aside.name}, and made again")
    return None


@contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    """Hold a cell, so that no second process writes over it. The system lets go when a process dies."""
    lock = FileLock(folder.lock)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(
            f"{holder_of(folder.path)} is working on {folder.path}",
            hint="wait for it, or name other --results",
        ) from error
    except OSError as error:
        raise storage_error(folder.path, error) from error
    try:
        write_holder(folder.path)
        yield
    finally:
        remove_holder(folder.path)
        lock.release()
