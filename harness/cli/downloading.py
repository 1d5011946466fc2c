"""What a person sees while weights are downloaded."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn


class DownloadBar:
    """A bar on a terminal, nothing elsewhere; of the kind that pooch moves (see ``ProgressBar``)."""

    def __init__(self) -> None:
        self.bar = Progress(
            *Progress.get_default_columns(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self.task = self.bar.add_task("weights")

    @property
    def total(self) -> int:
        """Size of the file, in bytes."""
        return int(self.bar.tasks[0].total or 0)

    @total.setter
    def total(self, size: int) -> None:
        self.bar.update(self.task, total=size)
        self.bar.start()

    def update(self, size: int) -> None:
        """So many bytes more."""
        self.bar.advance(self.task, size)

    def reset(self) -> None:
        """Begin again."""
        self.bar.update(self.task, completed=0)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()
