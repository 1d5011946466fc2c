"""The contract of a plugin, and all of the core that a plugin imports.

Images between the parts are of one kind: uint8 NCHW (0 to 255) where they are stored, float32 NCHW in
[-1, 1] inside a model. ``docs/plugins.md`` builds a small plugin with this page.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import BenchError, ChoiceError, DataError, PluginError, ScoreError, SpecError, WeightsError
from ..limits import (
    FILE_BYTES,
    TEXT_BYTES,
    check_bytes,
    check_count,
    check_pixels,
    check_regular,
    is_kernel_device,
)
from ..shortage import pass_on_shortage
from ..spreading import spread
from .dataset import UNKNOWN_LABEL, Colour, Dataset, Flip, Pair, RemoteFile, Slice, Split, Square
from .executor import (
    BUSY,
    PAUSED,
    STOPPED,
    USER_ERROR,
    Ended,
    Executor,
    Job,
    JobState,
    Resources,
    SubmittedJob,
)
from .features import FeatureSpace, WeightsFile, WeightsLocator
from .metric import Curve, Goal, Metric, Population, Targets
from .observer import Run
from .settings import Between, ConfigT, OneOf, PluginConfig, setting, tunable

if TYPE_CHECKING:
    from .model import AUGMENTATIONS, Batch, Clock, ImageShape, Model, Synthesizer, Translator

__all__ = [
    "AUGMENTATIONS",
    "BUSY",
    "FILE_BYTES",
    "PAUSED",
    "STOPPED",
    "TEXT_BYTES",
    "UNKNOWN_LABEL",
    "USER_ERROR",
    "Batch",
    "BenchError",
    "Between",
    "ChoiceError",
    "Clock",
    "Colour",
    "ConfigT",
    "Curve",
    "DataError",
    "Dataset",
    "Ended",
    "Executor",
    "FeatureSpace",
    "Flip",
    "Goal",
    "ImageShape",
    "Job",
    "JobState",
    "Metric",
    "Model",
    "OneOf",
    "Pair",
    "PluginConfig",
    "PluginError",
    "Population",
    "RemoteFile",
    "Resources",
    "Run",
    "ScoreError",
    "Slice",
    "SpecError",
    "Split",
    "Square",
    "SubmittedJob",
    "Synthesizer",
    "Targets",
    "Translator",
    "WeightsError",
    "WeightsFile",
    "WeightsLocator",
    "check_bytes",
    "check_count",
    "check_pixels",
    "check_regular",
    "is_kernel_device",
    "pass_on_shortage",
    "setting",
    "spread",
    "tunable",
]


def __getattr__(name: str) -> Any:
    """What models are made of, imported when asked for: it needs torch, and reading raw files does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".model", __name__), name)
