"""Every score of a record beside the same score, computed anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError
from ..cell.records import Record
from ..errors import BenchError, CheckpointError, Diverged
from ..running.again import Again, Rescored
from ..running.place import Settings
from ..scoring.selection import make_metrics
from ..scoring.weights import Weights
from .findings import Finding, Verdict


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
