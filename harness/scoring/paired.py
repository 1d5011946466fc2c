"""Scores of translated images, each against its own target."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..api import ScoreError
from . import structure
from .pixels import check_images


def psnr(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each pair in dB, float64 (N,), higher is better.

    10 log10(255^2 / MSE); 100 dB for equal images, where the ratio is infinite and could not be averaged.
    """
    error = _difference(target, translated).square().mean((1, 2, 3))
    return (10 * torch.log10(255**2 / error)).clamp(max=100).numpy()


def ssim(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity of each pair, float64 (N,), at most 1, higher is better: ``structure.ssim``."""
    _check_pairs(target, translated)
    values = [
        structure.ssim(_as_float(target[i : i + 64]), _as_float(translated[i : i + 64]))
        for i in range(0, len(target), 64)
    ]
    return torch.cat(values).numpy()


def mae(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute error of each pair on the scale of [0, 1], float64 (N,), lower is better."""
    return (_difference(target, translated).abs().mean((1, 2, 3)) / 255).numpy()


def _difference(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> torch.Tensor:
    _check_pairs(target, translated)
    return _as_float(target) - _as_float(translated)


def _as_float(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(images)).double()


def _check_pairs(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> None:
    check_images(target)
    check_images(translated)
    if target.shape != translated.shape or not len(target):
        raise ScoreError(
            f"targets {target.shape} and translations {translated.shape}",
            needed="pairs: equal numbers, channels and sizes, at least one",
        )
