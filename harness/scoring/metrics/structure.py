"""Structural similarity (SSIM) at one and at several scales, and the diversity that it measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError
from ..stored import canonical_order, check_images, drop_equal_channels

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Wang et al. 2003, section 3.2: weights of five scales, finest first.
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_PAIRS = 1000


class PairwiseMSSSIM(Metric):
    """``ms_ssim``: mean multi-scale structural similarity between pairs of samples. Lower is more diverse.

    A generator that makes one image scores 1. ``ms_ssim_real``, the same of training images, says what
    diversity there is to reach; a score far *below* it means noise, not diversity. All pairs are compared
    where there are at most 1000, else 1000 drawn from a fixed seed.

    Source: Odena et al. 2017, "Conditional image synthesis with auxiliary classifier GANs", section 4.2.
    """

    version: ClassVar[int] = 1
    goals: Mapping[str, Goal] = {"ms_ssim": "lower"}

    def compute(
        self, train: Population, held_out: Population | None, generated: Population
    ) -> dict[str, float]:
        """The similarity of samples and of real images, ``{"ms_ssim": ..., "ms_ssim_real": ...}``."""
        return {
            "ms_ssim": mean_pairwise_ms_ssim(generated.values),
            "ms_ssim_real": mean_pairwise_ms_ssim(train.values),
        }


def mean_pairwise_ms_ssim(images: NDArray[np.uint8]) -> float:
    """Mean MS-SSIM over pairs of uint8 (N, C, H, W) images, N at least 2.

    Raises:
        ScoreError: A single image, or images smaller than the 11x11 window.
    """
    check_images(images)
    if len(images) < 2:
        raise ScoreError(f"{len(images)} image(s)", needed="at least 2 to make a pair")
    order = canonical_order(images)
    first, second = draw_pairs(len(images), _PAIRS)
    similarities = [
        ms_ssim(_as_float(images[order[first[i : i + 50]]]), _as_float(images[order[second[i : i + 50]]]))
        for i in range(0, len(first), 50)
    ]
    return float(torch.cat(similarities).mean())


def draw_pairs(n: int, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs i < j of ``n`` things, or ``most`` different ones of them drawn from a fixed seed."""
    count = n * (n - 1) // 2
    if count <= most:
        i, j = np.triu_indices(n, k=1)
        return i, j
    chosen = np.random.default_rng(0).choice(count, most, replace=False, shuffle=False)
    # Pair number p of the lower triangle: row i holds the numbers i (i - 1) / 2 to i (i + 1) / 2 - 1.
    i = ((1 + np.sqrt(1 + 8 * chosen.astype(np.float64))) / 2).astype(np.intp)
    return chosen - i * (i - 1) // 2, i


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale SSIM of each pair: float64 (n,), 1 for equal images.

    Five scales need 176 pixels. Smaller images take as many as fit (three at 64 pixels) with the published
    weights scaled to sum to 1, so scores of different resolutions don't compare. Negative similarities,
    which have no root, count as 0.

    Args:
        a: float64 (n, C, H, W) in [0, 255].
        b: The same shape.

    Raises:
        ScoreError: Images are smaller than the 11x11 window.

    Source: Wang et al. 2003, "Multiscale structural similarity for image quality assessment", Eq. 7.
    """
    _check_window(a)
    smallest = min(a.shape[2:])
    scales = sum(smallest >> k >= _WINDOW for k in range(len(_SCALES)))
    weights = np.array(_SCALES[:scales]) / sum(_SCALES[:scales])
    result = torch.ones(len(a), a.shape[1], dtype=a.dtype)
    for k, weight in enumerate(weights):
        luminance, contrast = _similarity(a, b)
        last = k == scales - 1
        term = (luminance * contrast if last else contrast).mean((2, 3))
        result *= term.clamp(min=0) ** weight
        if not last:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return result.mean(1)


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of each pair at every position of the window: float64 (n, C, H - 10, W - 10), 1 where equal.

    Args:
        a: float64 (n, C, H, W) in [0, 255].
        b: The same shape.

    Raises:
        ScoreError: Images are smaller than the 11x11 window.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
    Eq. 13, with its 11x11 Gaussian window of deviation 1.5, inside the image only.
    """
    _check_window(a)
    luminance, contrast = _similarity(a, b)
    return luminance * contrast


def _check_window(images: Tensor) -> None:
    if min(images.shape[2:]) < _WINDOW:
        raise ScoreError(
            f"images of {tuple(images.shape[2:])} pixels", needed=f"at least {_WINDOW} on each side"
        )


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms at every position of the window."""
    rows, columns = (_gaussian_filter(side, a) for side in a.shape[2:])

    def local(x: Tensor) -> Tensor:
        return rows @ x @ columns.T

    mean_a, mean_b = local(a), local(b)
    variance_a = local(a * a) - mean_a**2
    variance_b = local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    contrast = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return luminance, contrast


def _gaussian_filter(side: int, like: Tensor) -> Tensor:
    """The window at each position inside a line of ``side`` pixels, as a (side - 10, side) matrix.

    As a product of matrices the filter runs many times as fast as a float64 convolution.
    """
    shift = torch.arange(side, dtype=like.dtype, device=like.device) - _WINDOW // 2
    distance = shift - torch.arange(side - _WINDOW + 1, device=like.device)[:, None]
    window = torch.exp(-(distance**2) / (2 * _SIGMA**2)) * (distance.abs() <= _WINDOW // 2)
    return window / window.sum(1, keepdim=True)


def _as_float(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(drop_equal_channels(images)).double()
