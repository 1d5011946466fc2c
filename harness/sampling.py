"""Samples of a model as stored pixels, and a picture of them beside real images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .api import Model, Synthesizer, Translator
from .data.pixels import to_model_range, to_store_range
from .files import atomic_write

SAMPLE_BATCH = 64
"""Images made at once: bounds memory, and changes no image."""


class Diverged(Exception):
    """A loss or a pixel is not finite any more: a result of the training, not an accident."""


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


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Positions of at most so many of ``count`` images: the first ones of a set are often of one patient."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.intp)


def save_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Save uint8 (C, H, W), C of 1 or 3, as PNG of as many channels: a folder never mixes grey and RGB."""
    picture = Image.fromarray(
        pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    )
    with atomic_write(path) as file:
        picture.save(file, format="PNG")


def mosaic(images: NDArray[np.uint8], columns: int, *, gap: int = 2) -> NDArray[np.uint8]:
    """Lay uint8 (N, C, H, W) out in rows of ``columns`` on white; returns (C, height, width)."""
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    sheet = np.full((channels, rows * (height + gap) - gap, columns * (width + gap) - gap), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    return sheet


def in_columns(pictures: Sequence[NDArray[np.uint8]], *, across: int = 1) -> NDArray[np.uint8]:
    """Lay stacks of the same images out side by side: first of each, second of each, ...

    Args:
        pictures: uint8 (n, C or 1, H, W) each.
        across: How many such groups a row has.
    """
    whole = max(pictures, key=lambda stack: stack.shape[1])
    together = np.stack([_like(stack, whole) for stack in pictures], axis=1)
    return mosaic(together.reshape(-1, *whole.shape[1:]), len(pictures) * across)


def save_comparison(
    path: Path, generated: NDArray[np.uint8], real: NDArray[np.uint8], *, side: int = 6
) -> None:
    """Save a picture: on the left up to ``side`` squared generated images, on the right as many real ones."""
    halves = [mosaic(images[: side * side], side) for images in (generated, _like(real, generated))]
    rows = max(half.shape[1] for half in halves)
    padded = [
        np.pad(half, ((0, 0), (0, rows - half.shape[1]), (0, 0)), constant_values=255) for half in halves
    ]
    gutter = np.full((len(padded[0]), rows, 12), 255, np.uint8)
    save_png(path, np.concatenate([padded[0], gutter, padded[1]], axis=2))


def _like(real: NDArray[np.uint8], generated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.broadcast_to(real, (len(real), *generated.shape[1:]))
