"""What a model makes, as stored pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import Model, Synthesizer, Translator
from ..data.pixels import to_model_range, to_store_range
from ..errors import Diverged

SAMPLE_BATCH = 64
"""Images made at once: bounds memory, and changes no image."""


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
    """
    draw = model.preview if preview else model.sample
    return _made(model, count, lambda start, stop: draw(torch.arange(first_seed + start, first_seed + stop)))


def translate_images(model: Translator, sources: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Translate uint8 (n, 1, H, W) into uint8 (n, C, H, W).

    Raises:
        Diverged: A pixel is NaN or infinite.
    """
    device = next(model.parameters()).device

    def translate(start: int, stop: int) -> Tensor:
        batch = torch.from_numpy(np.array(sources[start:stop])).to(device)
        return model.translate(to_model_range(batch).expand(-1, model.shape.channels, -1, -1))

    return _made(model, len(sources), translate)


def _made(model: Model, count: int, make: Callable[[int, int], Tensor]) -> NDArray[np.uint8]:
    """What ``make(start, stop)`` gives of ``count`` images, batch by batch, in ``eval()`` mode."""
    was_training = model.training
    model.eval()
    shape = model.shape
    images = np.empty((count, shape.channels, shape.height, shape.width), np.uint8)
    try:
        with torch.no_grad():
            for start in range(0, count, SAMPLE_BATCH):
                stop = min(start + SAMPLE_BATCH, count)
                batch = make(start, stop)
                if not batch.isfinite().all():
                    raise Diverged(f"samples {start} to {stop - 1} are not finite")
                images[start:stop] = to_store_range(batch).cpu().numpy()
    finally:
        model.train(was_training)
    return images
