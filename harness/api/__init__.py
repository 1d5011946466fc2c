"""The contract of a plugin, and all of the core that a plugin imports.

Images between the parts are of one kind: uint8 NCHW (0 to 255) where they are stored, float32 NCHW in
[-1, 1] inside a model. ``docs/plugins.md`` builds a small plugin with this page.
"""

from ..errors import BenchError, DataError, ScoreError, SpecError, WeightsError
from .dataset import Dataset, RemoteFile, Slice, Split, Square
from .features import FeatureSpace, WeightsFile, WeightsLocator
from .metric import Goal, Metric, Population
from .model import Batch, Clock, ImageShape, Model, Synthesizer, Translator
from .settings import PluginConfig, setting

__all__ = [
    "Batch",
    "BenchError",
    "Clock",
    "DataError",
    "Dataset",
    "FeatureSpace",
    "Goal",
    "ImageShape",
    "Metric",
    "Model",
    "PluginConfig",
    "Population",
    "RemoteFile",
    "ScoreError",
    "Slice",
    "SpecError",
    "Split",
    "Square",
    "Synthesizer",
    "Translator",
    "WeightsError",
    "WeightsFile",
    "WeightsLocator",
    "setting",
]
