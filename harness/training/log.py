"""The log that every cell keeps: losses and evaluations, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ..api import Clock
from ..cell.logs import read_log
from ..files import atomic_write, storage_error


class Log:
    """Appends to a cell's ``log.jsonl``. It belongs to the result: where it can't be written, the cell stops.

    ``step`` and ``epoch`` of a line are the clock's: steps taken, and epochs completed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def cut_back(self, step: int) -> None:
        """Drop what was logged after a checkpoint: those steps are taken, and logged, again.

        Raises:
            StorageError: It can't be written.
        """
        kept = [line for line in read_log(self.path) if line["step"] <= step]
        with atomic_write(self.path, new_folder=False) as file:
            file.writelines(_line(line) for line in kept)
        # Held open: a process that lost its cell without knowing goes on with this file, which nobody else
        # sees once another process has cut the log back.
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise storage_error(self.path, error) from error

    def close(self) -> None:
        """Nothing more will be logged."""
        if self._file is not None:
            self._file.close()

    def losses(self, clock: Clock, losses: Mapping[str, float]) -> None:
        """Log the losses of the last step."""
        self._append({"step": clock.step, "epoch": clock.epoch, "losses": dict(losses)})

    def scores(self, clock: Clock, scores: Mapping[str, float]) -> None:
        """Log the scores of an evaluation."""
        self._append({"step": clock.step, "epoch": clock.epoch, "scores": dict(scores)})

    def _append(self, entry: Mapping[str, Any]) -> None:
        assert self._file is not None  # a log begins with being cut back
        try:
            self._file.write(_line(entry))
        except OSError as error:
            raise storage_error(self.path, error) from error


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"
