"""Losses and scores for TensorBoard: an observer like the log, for those who ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import hookimpl
from ..api import Clock, Run
from ..errors import SpecError

if TYPE_CHECKING:
    import pluggy
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Writes event files into the folder ``tensorboard`` of each run; by steps taken, as the log counts.

    Raises:
        SpecError: TensorBoard is not installed.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SpecError(
                f"TensorBoard can't be used: {error}",
                needed="the package tensorboard",
                hint='pip install "hagan-bench[tensorboard]"',
            ) from error
        self.manager = manager
        self._make = SummaryWriter
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> TensorBoard:
        self.manager.register(self, name="tensorboard")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.manager.unregister(self)
        if self._writer is not None:
            self._writer.close()

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        """Open the events; steps after the checkpoint are taken, and shown, again."""
        self._writer = self._make(str(run.folder / "tensorboard"), purge_step=run.first_step + 1)

    @hookimpl
    def bench_step(self, run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
        """Write the losses."""
        self._write("loss", losses, clock.step)

    @hookimpl
    def bench_evaluated(self, run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
        """Write the scores."""
        self._write("score", scores, clock.step)

    def _write(self, kind: str, values: Mapping[str, Any], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{kind}/{name}", value, step)
