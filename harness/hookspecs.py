"""Everything that a plugin can hook into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import Register
    from .api import Clock, Run

hookspec = pluggy.HookspecMarker("harness")


@hookspec
def bench_models(register: Register) -> None:
    """Register generative models: classes of ``harness.api.Model``."""


@hookspec
def bench_datasets(register: Register) -> None:
    """Register medical image sets: classes of ``harness.api.Dataset``."""


@hookspec
def bench_metrics(register: Register) -> None:
    """Register scores: classes of ``harness.api.Metric``."""


@hookspec
def bench_features(register: Register) -> None:
    """Register feature spaces: classes of ``harness.api.FeatureSpace``."""


@hookspec
def bench_executors(register: Register) -> None:
    """Register ways to run the cells of a grid."""


@hookspec
def bench_run_started(run: Run) -> None:
    """Observe a cell that begins or resumes."""


@hookspec
def bench_step(run: Run, clock: Clock, losses: Mapping[str, float]) -> None:
    """Observe the losses of the last step, every few steps."""


@hookspec
def bench_evaluated(run: Run, clock: Clock, scores: Mapping[str, float]) -> None:
    """Observe an evaluation during training."""


@hookspec
def bench_run_finished(run: Run, record: Mapping[str, Any]) -> None:
    """Observe a cell's record once it is on disk."""
