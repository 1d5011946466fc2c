"""Pictures of many images, and PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..api import UNKNOWN_LABEL
from ..files import atomic_write

TINTS = ((230, 60, 60), (60, 200, 90), (70, 120, 250), (240, 200, 50), (200, 80, 220), (60, 210, 220))
"""Colours of the labels 1, 2, ..., over and over: red, green, blue, yellow, violet, cyan."""
TINT = 0.45
"""How much of such a colour lies over an image."""


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Positions of at most so many of ``count`` images: the first ones of a set are often of one patient."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.intp)


def save_png(path: Path, pixels: NDArray[np.uint8], *, new_folder: bool = True) -> None:
    """Save uint8 (C, H, W), C of 1 or 3, as PNG of as many channels: a folder never mixes grey and RGB."""
    picture = Image.fromarray(
        pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    )
    with atomic_write(path, new_folder=new_folder) as file:
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


def overlaid(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images with their labels in colours over them: uint8 (N, 3, H, W).

    Args:
        images: uint8 (N, 1 or 3, H, W).
        labels: uint8 (N, 1, H, W); 0 and what is unknown stay as they are.
    """
    tints = np.zeros((256, 3), np.float32)
    tints[1:UNKNOWN_LABEL] = [TINTS[number % len(TINTS)] for number in range(UNKNOWN_LABEL - 1)]
    colours = tints[labels[:, 0]].transpose(0, 3, 1, 2)
    is_tinted = (labels > 0) & (labels < UNKNOWN_LABEL)
    mixed = (1 - TINT) * images.astype(np.float32) + TINT * colours
    return np.where(is_tinted, mixed, images).round().astype(np.uint8)


def save_comparison(
    path: Path, generated: NDArray[np.uint8], real: NDArray[np.uint8], *, side: int = 6
) -> None:
    """Save a picture of a run: left up to ``side`` squared generated images, right as many real ones."""
    halves = [mosaic(images[: side * side], side) for images in (generated, _like(real, generated))]
    rows = max(half.shape[1] for half in halves)
    padded = [
        np.pad(half, ((0, 0), (0, rows - half.shape[1]), (0, 0)), constant_values=255) for half in halves
    ]
    gutter = np.full((len(padded[0]), rows, 12), 255, np.uint8)
    save_png(path, np.concatenate([padded[0], gutter, padded[1]], axis=2), new_folder=False)


def _like(real: NDArray[np.uint8], generated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.broadcast_to(real, (len(real), *generated.shape[1:]))
