"""What every score asks of stored images: their form, their content, and an order of their own."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError


def check_images(images: NDArray[np.uint8]) -> None:
    """Make sure that ``images`` are uint8 (N, C, H, W) with C of 1 or 3.

    Raises:
        ScoreError: They are not. Floats above all: whoever scales them decides what the score means.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ScoreError(
            f"images of type {images.dtype} and shape {images.shape}",
            needed="uint8 (N, C, H, W), 0 to 255, with 1 or 3 channels",
        )


def drop_equal_channels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One image (C, H, W), or many (N, C, H, W), with one channel where all are equal; else as given."""
    each = images if images.ndim == 4 else images[None]
    # One by one: comparing a whole set at once would need as much memory as a third of it.
    grey = all(bool((image == image[:1]).all()) for image in each)
    return images[..., :1, :, :] if grey else images


def fingerprint(images: NDArray[np.uint8]) -> str:
    """Hexadecimal sha256 of the shape and every pixel."""
    digest = hashlib.sha256(str(images.shape).encode())
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def canonical_order(images: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Positions of ``images`` sorted by content; a grey image is the same in one channel and in three.

    Metrics that draw images or patches at random draw from this order, so that neither the order of files
    nor the number of workers that made them changes a score.

    Returns:
        int (N,): ``images[canonical_order(images)]`` is the same for every permutation of ``images``.
    """
    contents = (np.ascontiguousarray(drop_equal_channels(image)).data for image in images)
    keys = [hashlib.blake2b(content, digest_size=16).digest() for content in contents]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)
