"""Scores of translated images, each against its own target: over whole images, or inside their regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError, Targets
from ..stored import check_images
from . import structure

_BATCH = 64


def psnr(
    target: NDArray[np.uint8], translated: NDArray[np.uint8], region: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each pair in dB, float64 (N,), higher is better.

    10 log10(255^2 / MSE); 100 dB for equal images, where the ratio is infinite and could not be averaged.

    Args:
        target: uint8 (N, C, H, W).
        translated: The same shape.
        region: bool (N, 1, H, W), where to look; None for everywhere. NaN for a pair where it is empty.
    """
    error = _mean(lambda a, b: (a - b).square(), target, translated, region)
    return (10 * torch.log10(255**2 / error)).clamp(max=100).numpy()


def ssim(
    target: NDArray[np.uint8], translated: NDArray[np.uint8], region: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Structural similarity of each pair, float64 (N,), at most 1, higher is better: ``structure.ssim_map``.

    Inside a region it is the mean over windows whose centre lies there. Arguments as for ``psnr``.
    """
    return _mean(structure.ssim_map, target, translated, region).numpy()


def mae(
    target: NDArray[np.uint8], translated: NDArray[np.uint8], region: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Mean absolute error of each pair on the scale of [0, 1], float64 (N,), lower is better.

    Arguments as for ``psnr``.
    """
    return (_mean(lambda a, b: (a - b).abs(), target, translated, region) / 255).numpy()


Measure = Callable[[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_] | None], NDArray[np.float64]]
_MEASURES: Mapping[str, tuple[Measure, Goal]] = {
    "psnr": (psnr, "higher"),
    "ssim": (ssim, "higher"),
    "mae": (mae, "lower"),
}


class PairedScore(Metric[None]):
    """Mean over pairs of ``psnr``, ``ssim`` or ``mae``, whole and inside each region: SCORE and SCORE/REGION.

    Inside a region a pair counts only where the region is not empty; SCORE/REGION_n says how many pairs
    that are. Where none is left there is no such score.

    Args:
        score: ``"psnr"``, ``"ssim"`` or ``"mae"``.
    """

    version: ClassVar[int] = 1
    minimum = 1
    is_paired = True

    def __init__(self, score: str) -> None:
        self.score = score
        self._measure, goal = _MEASURES[score]
        self.goals: Mapping[str, Goal] = {score: goal}

    def reference(self, train: Population, held_out: Population | None) -> None:
        """Nothing: every image has its own target."""

    def compute(self, reference: None, generated: Population, device: torch.device) -> dict[str, float]:
        """The means over pairs."""
        whole = self._values(generated, None)
        inside = {region: self._values(generated, region) for region in _targets(generated).regions}
        return {self.score: float(whole.mean())} | {
            f"{self.score}/{region}": float(values.mean()) for region, values in inside.items() if len(values)
        }

    def context(self, reference: None, generated: Population, device: torch.device) -> dict[str, float]:
        """In how many pairs each region is not empty."""
        return {
            f"{self.score}/{region}_n": float(len(self._values(generated, region)))
            for region in _targets(generated).regions
        }

    def _values(self, generated: Population, region: str | None) -> NDArray[np.float64]:
        """One value for each pair where there is one."""
        targets = _targets(generated)
        masks = None if region is None else targets.regions[region]
        values = self._measure(targets.images, generated.values, masks)
        return values[~np.isnan(values)]


def _targets(generated: Population) -> Targets:
    if generated.targets is None:
        raise ScoreError("these images have no targets of their own", needed="a paired task")
    return generated.targets


def _mean(
    pixelwise: Callable[[Tensor, Tensor], Tensor],
    target: NDArray[np.uint8],
    translated: NDArray[np.uint8],
    region: NDArray[np.bool_] | None,
) -> Tensor:
    """Mean over each pair of what ``pixelwise`` makes of it, inside a region; NaN where that is empty."""
    _check_pairs(target, translated)
    means = []
    for start in range(0, len(target), _BATCH):  # one at a time would be slow, all at once large
        part = slice(start, start + _BATCH)
        values = pixelwise(_as_float(target[part]), _as_float(translated[part])).mean(1)
        inside = torch.ones_like(values)
        if region is not None:
            # A window that must lie inside the image has no centre near its border.
            border = (region.shape[-1] - values.shape[-1]) // 2
            rows, columns = (slice(border, side - border) for side in region.shape[-2:])
            inside = torch.from_numpy(np.array(region[part, 0, rows, columns])).double()
        means.append((values * inside).sum((1, 2)) / inside.sum((1, 2)))
    return torch.cat(means)


def _as_float(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.array(images)).double()


def _check_pairs(target: NDArray[np.uint8], translated: NDArray[np.uint8]) -> None:
    check_images(target)
    check_images(translated)
    if target.shape != translated.shape or not len(target):
        raise ScoreError(
            f"targets {target.shape} and translations {translated.shape}",
            needed="pairs: equal numbers, channels and sizes, at least one",
        )
