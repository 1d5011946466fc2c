"""Feature spaces and metrics, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_features(register: Register) -> None:
    """Register the built-in feature spaces."""


@hookimpl
def bench_metrics(register: Register) -> None:
    """Register the built-in metrics."""
