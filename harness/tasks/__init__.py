"""What a model is asked for: images from noise, or from another modality. Its class chooses.

Whatever differs between the two is here; nothing else in the core tells them apart.
"""

from __future__ import annotations

from ..api import Model
from ..errors import PluginError
from .synthesis import Synthesis
from .task import Outputs, Task
from .translation import Translation

__all__ = ["Outputs", "Synthesis", "Task", "Translation", "task_of"]


def task_of(model: type[Model]) -> type[Task]:
    """The task that a model is for.

    Raises:
        PluginError: There is none.
    """
    for task in (Synthesis, Translation):
        if issubclass(model, task.kind):
            return task
    raise PluginError(
        f"{model.__name__} is neither a Synthesizer nor a Translator",
        needed="a class of harness.api.Synthesizer or harness.api.Translator",
    )
