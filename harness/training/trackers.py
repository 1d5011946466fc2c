"""Losses and scores for trackers of experiments, trackio and MLflow: observers, on request."""

from __future__ import annotations

import abc
import importlib
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from .. import hookimpl
from ..api import Clock, Run
from ..errors import SpecError

if TYPE_CHECKING:
    import pluggy

PROJECT = "hagan-bench"


class Tracker(abc.ABC):
    """An observer that hands every number on, by steps taken, as the log counts.

    Attributes:
        package: What is imported, and the extra that installs it.

    Raises:
        SpecError: The package is not installed.
    """

    package: ClassVar[str]

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self.manager = manager
        self.is_open = False
        try:
            self.module: Any = importlib.import_module(self.package)
        except ImportError as error:
            raise SpecError(
                f"{self.package} can't be used: {error}",
                needed=f"the package {self.package}",
                hint=f'pip install "hagan-bench[{self.package}]"',
            ) from error

    def __enter__(self) -> Tracker:
        self.manager.register(self, name=self.package)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.manager.unregister(self)
        if self.is_open:
            self.close(kind is None)

    @hookimpl
    def bench_run_started(self, run: Run) -> None:
        """Open a run by the name of its folder, so that a resumed one goes on under its name."""
        self.open(run)
        self.is_open = True

    @hookimpl
    def bench_step(self, run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
        """Hand the losses on."""
        self.log({f"loss/{name}": value for name, value in losses.items()}, clock.step)

    @hookimpl
    def bench_evaluated(self, run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
        """Hand the scores on."""
        self.log({f"score/{name}": value for name, value in scores.items()}, clock.step)

    @abc.abstractmethod
    def open(self, run: Run) -> None:
        """Begin a run."""

    @abc.abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers of a step."""

    @abc.abstractmethod
    def close(self, is_done: bool) -> None:
        """End the run."""


class Trackio(Tracker):
    """Writes to trackio's own folder on this machine."""

    package = "trackio"

    def open(self, run: Run) -> None:
        """Begin a run, or go on with it."""
        config = {**run.settings, "model": run.model, "dataset": run.dataset, "seed": run.seed}
        self.module.init(project=PROJECT, name=run.folder.name, config=config, resume="allow")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers of a step."""
        self.module.log(dict(values), step=step)

    def close(self, is_done: bool) -> None:
        """End the run."""
        self.module.finish()


class MLflow(Tracker):
    """Writes to wherever ``MLFLOW_TRACKING_URI`` says; without it, to ``mlflow.db`` in the working folder."""

    package = "mlflow"

    def open(self, run: Run) -> None:
        """Begin a run; MLflow gives every session of a cell a run of its own."""
        self.module.set_experiment(PROJECT)
        self.module.start_run(run_name=run.folder.name)
        named = {"model": run.model, "dataset": run.dataset, "seed": run.seed, "identity": run.identity}
        self.module.log_params({**named, **{name: str(value) for name, value in run.settings.items()}})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers of a step."""
        self.module.log_metrics(dict(values), step=step)

    def close(self, is_done: bool) -> None:
        """End the run."""
        self.module.end_run("FINISHED" if is_done else "KILLED")


TRACKERS: Mapping[str, type[Tracker]] = {"trackio": Trackio, "mlflow": MLflow}
