"""From the names of metrics to the metrics and the feature spaces that they need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import plugins
from ..api import FeatureSpace, Metric, WeightsLocator


def make_metrics(
    names: Iterable[str], weights: WeightsLocator
) -> tuple[dict[str, Metric[Any]], dict[str, FeatureSpace]]:
    """Make the metrics called ``names``, and every feature space that one of them needs, once.

    Raises:
        SpecError: No such metric, or it needs a feature space that nobody registered.
        PluginError: One can't be loaded.
    """
    registry = plugins.current()
    metrics: dict[str, Metric[Any]] = {name: registry.make("metrics", name) for name in names}
    needed = {metric.needs for metric in metrics.values()} - {"images"}
    return metrics, {name: registry.make("features", name, weights=weights) for name in sorted(needed)}
