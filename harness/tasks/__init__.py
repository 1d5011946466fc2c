"""What a model is asked for: images from noise, with labels or without, or from another modality.

Whatever differs between these is here; nothing else in the core tells them apart.
"""

from __future__ import annotations

from ..api import Model
from ..errors import PluginError, SpecError
from .labelled import LabelledSynthesis
from .synthesis import Synthesis
from .task import Outputs, Task
from .translation import Translation

__all__ = ["LabelledSynthesis", "Outputs", "Synthesis", "Task", "Translation", "task_of"]


def task_of(model: type[Model], *, labels: bool = False) -> type[Task]:
    """The task that a model is for, by its class.

    Args:
        model: The class.
        labels: Whether it is to make label maps beside its images.

    Raises:
        PluginError: There is none.
        SpecError: Labels are asked of a model that has the real ones.
    """
    if labels:
        if not issubclass(model, LabelledSynthesis.kind):
            raise SpecError(
                f"{model.__name__} translates, and the labels of what it makes are known",
                needed="a model that makes images from noise, where labels are to be made",
                hint="leave out --labels; --metrics psnr,utility asks what its translations are good for",
            )
        return LabelledSynthesis
    for task in (Synthesis, Translation):
        if issubclass(model, task.kind):
            return task
    raise PluginError(
        f"{model.__name__} is neither a Synthesizer nor a Translator",
        needed="a class of harness.api.Synthesizer or harness.api.Translator",
    )
