"""The contract of a plugin, and all of the core that a plugin imports.

Images between the parts are of one kind: uint8 NCHW (0 to 255) where they are stored, float32 NCHW in
[-1, 1] inside a model. ``docs/plugins.md`` builds a small plugin with this page.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import BenchError, DataError, ScoreError, SpecError, WeightsError
from .dataset import Dataset, Flip, Pair, RemoteFile, Slice, Split, Square
from .features import FeatureSpace, WeightsFile, WeightsLocator
from .metric import Goal, Metric, Population, Targets
from .observer import Run
from .settings import PluginConfig, setting

if TYPE_CHECKING:
    from .model import Batch, Clock, ImageShape, Model, Synthesizer, Translator

__all__ = [
    "Batch",
    "BenchError",
    "Clock",
    "DataError",
    "Dataset",
    "FeatureSpace",
    "Flip",
    "Goal",
    "ImageShape",
    "Metric",
    "Model",
    "Pair",
    "PluginConfig",
    "Population",
    "RemoteFile",
    "Run",
    "ScoreError",
    "Slice",
    "SpecError",
    "Split",
    "Square",
    "Synthesizer",
    "Targets",
    "Translator",
    "WeightsError",
    "WeightsFile",
    "WeightsLocator",
    "setting",
]


def __getattr__(name: str) -> Any:
    """What models are made of, imported when asked for: it needs torch, and reading raw files does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".model", __name__), name)
