"""What a model makes, as stored pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import ImageShape, Model, Synthesizer, Translator
from ..data.pixels import to_model_range, to_store_range
from ..errors import Diverged, PluginError
from ..interrupting import look

SAMPLE_BATCH = 64
"""Images made at once: bounds memory, and changes no image."""
ROUNDING = 1e-3
"""How far beyond [-1, 1] a pixel may lie: an eighth of a grey level, more than rounding takes."""


def sample_images(
    model: Synthesizer, count: int, *, first_seed: int = 0, preview: bool = False
) -> NDArray[np.uint8]:
    """Sample seeds ``first_seed`` to ``first_seed + count - 1`` as uint8 (count, C, H, W).

    Args:
        model: Who makes them; its mode is put back.
        count: How many.
        first_seed: Seed of the first one.
        preview: Take the model's shorter way, which serves evaluations during training.

    Raises:
        Diverged: A pixel is NaN or infinite.
        PluginError: Images of another shape, dtype or range than a model must give.
    """
    draw = model.preview if preview else model.sample
    return _made(model, count, lambda start, stop: draw(torch.arange(first_seed + start, first_seed + stop)))


def translate_images(
    model: Translator, sources: NDArray[np.uint8], *, preview: bool = False
) -> NDArray[np.uint8]:
    """Translate uint8 (n, 1 or C, H, W) into uint8 (n, C, H, W).

    Args:
        model: Who translates them; its mode is put back.
        sources: The other modality.
        preview: Take the model's shorter way, which serves evaluations during training.

    Raises:
        Diverged: A pixel is NaN or infinite.
        PluginError: Images of another shape, dtype or range than a model must give.
    """
    device = next(model.parameters()).device
    made = model.preview if preview else model.translate

    def translate(start: int, stop: int) -> Tensor:
        batch = torch.from_numpy(np.array(sources[start:stop])).to(device)
        return made(to_model_range(batch).expand(-1, model.shape.channels, -1, -1))

    return _made(model, len(sources), translate)


def faults_of_images(made: object, count: int, shape: ImageShape) -> Iterator[str]:
    """What is wrong with the images that a model gave, in words: shape, dtype, range. Pixels are finite."""
    if not isinstance(made, Tensor):
        yield f"{type(made).__name__} instead of a tensor"
        return
    wanted = (count, shape.channels, shape.height, shape.width)
    if made.shape != wanted:
        yield f"images of shape {tuple(made.shape)} instead of {wanted}"
    if made.dtype != torch.float32:
        yield f"pixels of {made.dtype} instead of torch.float32"
    if made.numel() and not made.is_complex():
        low, high = made.float().aminmax()
        if low < -1 - ROUNDING or high > 1 + ROUNDING:
            yield f"pixels from {low:.4g} to {high:.4g} instead of [-1, 1]"


def _made(model: Model, count: int, make: Callable[[int, int], Tensor]) -> NDArray[np.uint8]:
    """What ``make(start, stop)`` gives of ``count`` images, batch by batch, in ``eval()`` mode."""
    was_training = model.training
    model.eval()
    shape = model.shape
    images = np.empty((count, shape.channels, shape.height, shape.width), np.uint8)
    try:
        with torch.no_grad():
            for start in range(0, count, SAMPLE_BATCH):
                look()
                stop = min(start + SAMPLE_BATCH, count)
                batch = make(start, stop)
                if isinstance(batch, Tensor) and not batch.isfinite().all():
                    raise Diverged(f"samples {start} to {stop - 1} are not finite")
                if faults := list(faults_of_images(batch, stop - start, shape)):
                    raise PluginError(
                        f"model {model.registered_name} gave {', and '.join(faults)}",
                        needed=f"float32 (n, {shape.channels}, {shape.height}, {shape.width}) in [-1, 1]",
                        hint=f"bench check {model.registered_name}",
                    )
                images[start:stop] = to_store_range(batch).cpu().numpy()
    finally:
        model.train(was_training)
    return images
