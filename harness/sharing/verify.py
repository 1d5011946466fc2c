"""Whether a record holds: its digests, its identity, its images, and its scores, computed anew."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cell.logs import LogError, finished_log
from ..cell.protocol import PROTOCOL_VERSION
from ..cell.records import Record, RecordError, RunFolder
from ..errors import BenchError, SpecError
from ..running.again import Again
from ..running.images import reopened
from ..running.place import Settings
from .archive import SharedCell
from .findings import Finding, Verified
from .rescoring import Rescoring


@dataclass(frozen=True)
class Place:
    """Where a record is verified.

    Attributes:
        settings: On what, and with which cache and weights; nothing is written into its results.
        roots: Folders of raw files by data set.
    """

    settings: Settings
    roots: Mapping[str, Path]


def verify_folder(folder: RunFolder, place: Place, samples: NDArray[np.uint8] | None = None) -> Verified:
    """Verify the record in a run folder.

    Args:
        folder: A run folder; of its networks the scores are computed anew.
        place: Where.
        samples: Images that the scores are of, uint8 (N, C, H, W), instead of networks that make them.

    Raises:
        SpecError: There is no record.
    """
    try:
        record = folder.read_record()
    except RecordError as error:
        return Verified(folder.path.name, [Finding("record", "differs", error.found)])
    if record is None:
        raise SpecError(
            f"{folder.path} has no {folder.record.name}", needed="a finished run", hint="bench verify RUN"
        )
    return verify(folder.path.name, record, folder, place, samples)


def verify(
    name: str, record: Record, folder: RunFolder, place: Place, samples: NDArray[np.uint8] | None = None
) -> Verified:
    """Verify a record that was read, and so is what was written, with what ``folder`` may hold of its run."""
    identity = _identity(record)
    findings = [
        Finding("record", "equal", f"as it was written, {record.finished}"),
        identity,
        _log(record, folder),
    ]
    # Of another version of the protocol its scores are of other samples.
    if identity.verdict == "equal":
        findings += _scores(record, folder, place, samples)
    return Verified(name, findings)


def verify_shared(cell: SharedCell, place: Place) -> Verified:
    """Verify a cell of an archive, which holds neither networks nor samples that could be scored."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        if cell.log is not None:
            folder.log.write_bytes(cell.log)
        return verify(cell.name, cell.record, folder, place)


def _identity(record: Record) -> Finding:
    """Whether its cell is the one that it names."""
    if record.spec.identity == record.identity:
        return Finding("identity", "equal", record.identity[:8])
    for version in range(1, PROTOCOL_VERSION):
        if record.spec.identity_under(version) == record.identity:
            return Finding(
                "identity", "unchecked", f"of protocol {version}, and {PROTOCOL_VERSION} is installed"
            )
    return Finding(
        "identity",
        "differs",
        f"it names {record.identity[:8]}, and its cell is {record.spec.identity[:8]}; "
        "or it was made by an older version of the protocol",
    )


def _log(record: Record, folder: RunFolder) -> Finding:
    if record.log is None or not os.path.lexists(folder.log):
        return Finding("log", "unchecked", "there is none", needed=False)
    try:
        finished_log(folder, record)
    except LogError:
        return Finding("log", "differs", "it is not what was written")
    return Finding("log", "equal", record.log[:8])


def _scores(
    record: Record, folder: RunFolder, place: Place, samples: NDArray[np.uint8] | None
) -> Iterator[Finding]:
    """Images, networks and scores, as far as they are here."""
    if not record.scores["best"]:
        yield Finding("scores", "unchecked", f"there are none: the cell {record.status}")
        return
    if samples is None and not os.path.lexists(folder.best):
        yield Finding("networks", "unchecked", "they were not kept here")
        yield Finding("scores", "unchecked", "there are neither networks nor samples to compute them from")
    try:
        dataset = reopened(record.spec, place.roots)
        part = record.spec.dataset
        if dataset.version != part.version:
            raise SpecError(f"{part.name} was version {part.version}, and is {dataset.version} here")
        again = Again(folder, record, dataset, place.settings)
    except BenchError as error:
        yield Finding("images", "unchecked", error.found)
        return
    yield _images(record, again)
    if samples is not None or os.path.lexists(folder.best):
        yield from Rescoring(record, again, place.settings).findings(samples)


def _images(record: Record, again: Again) -> Finding:
    """Whether the raw files, which are the record's, give the images that they gave."""
    here = again.task.train.fingerprint
    if here == record.dataset.get("image_set"):
        return Finding("images", "equal", here[:8])
    return Finding(
        "images", "differs", "the raw files give others here: what reads them may be of another version"
    )
