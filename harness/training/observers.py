"""The log that every cell keeps: an observer like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .. import hookimpl
from ..api import Clock
from ..cell.records import read_log
from ..files import atomic_write, storage_error
from .loop import Run


class JsonLog:
    """Appends losses and evaluations to ``log.jsonl``, one JSON object a line.

    A resumed run first drops what was logged after its checkpoint: those steps are taken, and logged, again.
    """

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        """Keep the lines of steps that the checkpoint includes."""
        kept = [line for line in read_log(run.folder.log) if line["step"] <= run.first_step]
        with atomic_write(run.folder.log) as file:
            file.writelines(_line(line) for line in kept)

    @hookimpl
    def bench_step(self, run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
        """Log the losses; ``step`` counts the steps taken."""
        self._append(run, {"step": clock.step + 1, "epoch": clock.epoch, "losses": dict(losses)})

    @hookimpl
    def bench_evaluated(self, run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
        """Log the scores; ``epoch`` counts the epochs completed."""
        self._append(run, {"step": clock.step, "epoch": clock.epoch, "scores": dict(scores)})

    def _append(self, run: Run, entry: Mapping[str, Any]) -> None:
        try:
            with run.folder.log.open("ab") as file:
                file.write(_line(entry))
        except OSError as error:
            raise storage_error(run.folder.log, error) from error


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"
