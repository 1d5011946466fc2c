"""What a training step may give: named losses, as detached scalar tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from ..errors import PluginError


def faults_of_losses(losses: object) -> Iterator[str]:
    """What is wrong with what a step gave, in words. Nothing here reads a value, or waits for the device."""
    if not isinstance(losses, Mapping) or not losses:
        yield f"{losses!r} instead of named losses"
        return
    for name, loss in losses.items():
        if not isinstance(loss, Tensor):
            yield f"the loss {name!r} as {type(loss).__name__} instead of a tensor"
        elif loss.shape != ():
            yield f"the loss {name!r} of shape {tuple(loss.shape)} instead of a scalar"
        elif loss.requires_grad:
            yield f"the loss {name!r} with its gradient instead of detached"
        elif not loss.is_floating_point():
            yield f"the loss {name!r} of {loss.dtype} instead of a floating-point number"


def check_losses(model: str, losses: object) -> None:
    """Refuse losses that are not detached scalar tensors.

    Raises:
        PluginError: Names the model, and says what it gave.
    """
    if faults := list(faults_of_losses(losses)):
        raise PluginError(
            f"model {model} gave {', and '.join(faults)}",
            needed="named losses as detached scalar tensors",
            hint=f"bench check {model}",
        )
