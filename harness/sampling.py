"""Samples of a model as stored pixels, and a picture of them beside real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .api import Synthesizer
from .data.pixels import to_store_range
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
    was_training = model.training
    draw = model.preview if preview else model.sample
    model.eval()
    shape = model.shape
    images = np.empty((count, shape.channels, shape.height, shape.width), np.uint8)
    try:
        with torch.no_grad():
            for start in range(0, count, SAMPLE_BATCH):
                stop = min(start + SAMPLE_BATCH, count)
                batch = draw(torch.arange(first_seed + start, first_seed + stop))
                if not batch.isfinite().all():
                    raise Diverged(f"samples {start} to {stop - 1} are not finite")
                images[start:stop] = to_store_range(batch).cpu().numpy()
    finally:
        model.train(was_training)
    return images


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
