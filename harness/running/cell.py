"""One cell, from a request to a record.

What is done stays done: a finished cell is returned as it is, a half-done one goes on from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..cell.records import Record, RecordError, RunFolder, missing_metrics
from ..cell.spec import RunRequest, RunSpec
from ..claims import Claim, claimed
from ..errors import SpecError
from ..files import clear_partial, leave_aside
from ..interrupting import heeding
from .environment import pick_device
from .place import Settings
from .resolve import resolve
from .sessions import session
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
    with claimed(folder.path, job=settings.job) as claim, heeding(_stop_of(claim, settings.stop)):
        # Left by kills, and by whoever lost the cell and does not know it: it must not appear in their place.
        clear_partial(folder.path)
        record = _trusted_record(cell.spec, folder, settings.tell)
        work = Work(cell, folder, replace(settings, stop=_stop_of(claim, settings.stop)), device)
        if record is None or record.status == "failed":
            with session(folder.path, job=settings.job, device=device.type):
                return Outcome(folder, work.run(), is_new=True)
        missing = missing_metrics(record.score_versions, cell.spec.protocol.metrics)
        if record.status == "complete" and missing:
            return Outcome(folder, work.add_scores(record, missing), is_new=True)
        if not folder.holds(cell.spec):
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


def _stop_of(claim: Claim, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Whether somebody asked to stop; whoever lost the cell ends at once."""

    def asked() -> bool:
        claim.heed()
        return stop()

    return asked
