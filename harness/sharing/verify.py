"""Whether a record holds: its digests, its identity, its images, and its scores, computed anew."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError
from ..cell.logs import LogError, finished_log
from ..cell.protocol import PROTOCOL_VERSION
from ..cell.records import Record, RecordError, RunFolder
from ..errors import BenchError, CheckpointError, Diverged, SpecError
from ..running.again import Again, Rescored
from ..running.images import reopened
from ..running.place import Settings
from ..scoring.selection import make_metrics
from ..scoring.weights import Weights
from .archive import SharedCell

Verdict = Literal["equal", "rounding", "differs", "unchecked"]


@dataclass(frozen=True)
class Finding:
    """What came of one part of a record.

    Attributes:
        what: The part: ``record``, ``identity``, ``log``, ``networks``, ``images``, or a score: ``best swd``.
        verdict: ``rounding`` is a difference that rounding explains; ``unchecked``: nobody can tell here.
        words: Why, or what it was held against.
        needed: Whether the record holds only if this does. Not so for what no table shows by default.
        recorded: The score in the record; None where the part is none, or has none.
        recomputed: The score as it is here.
        tolerance: By how much rounding may move it, where that was needed.
    """

    what: str
    verdict: Verdict
    words: str = ""
    needed: bool = True
    recorded: float | None = None
    recomputed: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Verified:
    """What came of a record, part by part."""

    name: str
    findings: Sequence[Finding]

    @property
    def holds(self) -> bool | None:
        """Whether it does; None where something that it takes could not be checked and nothing differs."""
        if any(one.verdict == "differs" for one in self.findings):
            return False
        is_whole = all(one.verdict != "unchecked" for one in self.findings if one.needed)
        return True if is_whole else None


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
    findings = [
        Finding("record", "equal", f"as it was written, {record.finished}"),
        _identity(record),
        _log(record, folder),
        *_scores(record, folder, place, samples),
    ]
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
        again = Again(folder, record, reopened(record.spec, place.roots), place.settings)
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


class Rescoring:
    """Every score of a record beside the same score here."""

    def __init__(self, record: Record, again: Again, settings: Settings) -> None:
        self.record, self.again = record, again
        self.metrics, self.reasons = _usable(record, settings.scoring_place(again.device).weights)

    def findings(self, samples: NDArray[np.uint8] | None) -> Iterator[Finding]:
        """The networks, the scores of the best and of the last, and what the best were chosen by."""
        record, again = self.record, self.again
        task, scores = again.task, record.scores
        if samples is not None:
            best = again.final(task.kept(_as_scored(samples, record, task.channels)), self.metrics)
            yield from self._compared("best", scores["best"], best, share=0.0)
        else:
            try:
                model = again.networks("best")
            except CheckpointError as error:
                yield Finding("networks", "differs", error.found)
                return
            except BenchError as error:
                yield Finding("networks", "unchecked", error.found)
                return
            yield Finding("networks", "equal", (record.best_networks or "")[:8])
            try:
                best = again.final(task.generate(model), self.metrics)
            except Diverged as error:
                yield Finding("networks", "differs", f"they make no images here: {error}")
                return
            yield from self._compared("best", scores["best"], best, share=again.share)
            yield from self._compared(
                "selected", scores["selected"], again.selected(model), share=again.share
            )
        if record.best_epoch == record.spec.protocol.epochs:
            yield from self._compared(
                "last", scores["last"], best, share=0.0 if samples is not None else again.share
            )
            return
        try:
            last = again.final(task.generate(again.networks("last")), self.metrics)
        except (BenchError, Diverged) as error:
            yield Finding("last", "unchecked", getattr(error, "found", str(error)), needed=False)
            return
        yield from self._compared("last", scores["last"], last, share=again.share)

    def _compared(
        self, side: str, recorded: Mapping[str, float], here: Rescored, *, share: float
    ) -> Iterator[Finding]:
        """Each score of a side; ``share`` of the pixels may be rounded otherwise."""
        tolerances: Mapping[str, float] = {}
        for name in {**recorded, **here.scores}:
            what, told, found = f"{side} {name}", recorded.get(name), here.scores.get(name)
            if found is None:
                yield Finding(what, "unchecked", "; ".join(self.reasons), recorded=told)
            elif told is None:
                yield Finding(what, "differs", "the record lacks it", recomputed=found)
            elif found == told:
                yield Finding(what, "equal", recorded=told, recomputed=found)
            else:
                tolerances = tolerances or here.tolerances(share)
                within = abs(found - told) <= tolerances[name]
                verdict: Verdict = "rounding" if within else "differs"
                yield Finding(what, verdict, recorded=told, recomputed=found, tolerance=tolerances[name])


def _usable(record: Record, weights: Weights) -> tuple[list[str], list[str]]:
    """The metrics that compute here what they did there, and why the others don't."""
    usable, reasons = [], []
    for name, version in record.score_versions["metrics"].items():
        try:
            metrics, spaces = make_metrics([name], weights)
            for space in spaces.values():
                space.check()
        except BenchError as error:
            reasons.append(f"{name}: {error.found}")
            continue
        others = [
            one
            for one, space in spaces.items()
            if {**space.identity(), "version": str(space.version)}
            != record.score_versions["features"].get(one)
        ]
        if metrics[name].version != version:
            reasons.append(f"{name} was version {version}, and is {metrics[name].version} here")
        elif others:
            reasons.append(f"{name}: {', '.join(others)} is another network here")
        else:
            usable.append(name)
    return usable, reasons


def _as_scored(samples: NDArray[np.uint8], record: Record, channels: int) -> NDArray[np.uint8]:
    """Kept samples as the cell had them: all of them, in as many channels.

    Raises:
        ScoreError: They are of another number.
    """
    if len(samples) != record.n_generated:
        raise ScoreError(
            f"{len(samples)} samples, and the scores are of {record.n_generated}",
            needed="the samples that were scored",
            hint=f"bench sample RUN --count {record.n_generated} --first-seed {record.n_generated}",
        )
    return np.broadcast_to(samples, (len(samples), channels, *samples.shape[2:]))
