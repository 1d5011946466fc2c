"""What a person sees while something is downloaded."""

from __future__ import annotations

import atexit
import sys

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TaskID, TransferSpeedColumn


class DownloadBar:
    """A bar for each file on a terminal, nothing elsewhere; called as ``DownloadProgress`` is."""

    def __init__(self) -> None:
        self.bar = Progress(
            *Progress.get_default_columns(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self.tasks: dict[str, TaskID] = {}
        atexit.register(self.bar.stop)  # also after an error: a terminal wants its cursor back

    def __call__(self, file: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` bytes are here."""
        if file not in self.tasks:
            self.tasks[file] = self.bar.add_task(file)
            self.bar.start()
        self.bar.update(self.tasks[file], completed=done, total=total or None)
        if done == total:
            self.bar.stop()
