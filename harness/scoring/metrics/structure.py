"""Structural similarity (SSIM) at one and at several scales, and the diversity that it measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError
from ..stored import canonical_order, check_images, drop_equal_channels
from .draws import patient_numbers
from .jackknife import deviation_of_pairs, together

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Wang et al. 2003, section 3.2: weights of five scales, finest first.
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_PAIRS = 1000
_MOST_PIXELS = 1 << 24
_CPU = torch.device("cpu")


class Similarity(NamedTuple):
    """Mean MS-SSIM between pairs of images, and its standard error, None where it can't be known."""

    mean: float
    error: float | None


class PairwiseMSSSIM(Metric[Similarity]):
    """``ms_ssim_gap``: how far the samples' diversity is from that of real images.

    ``ms_ssim`` is the mean multi-scale structural similarity between pairs of samples, ``ms_ssim_real`` that
    of training images, and the gap the absolute difference. A generator that makes one image has an
    ``ms_ssim`` of 1, noise one near 0; neither is what real images have. All pairs are compared where there
    are at most 1000, else 1000 drawn from a fixed seed. ``ms_ssim_se`` and ``ms_ssim_real_se`` are standard
    errors, over samples and over patients; ``ms_ssim_gap_se`` is that of the difference.

    Source: Odena et al. 2017, "Conditional image synthesis with auxiliary classifier GANs", section 4.2.
    """

    version: ClassVar[int] = 2
    goals: Mapping[str, Goal] = {"ms_ssim_gap": "lower"}

    def reference(self, train: Population, held_out: Population | None) -> Similarity:
        """The similarity of the training images."""
        return pairwise_ms_ssim(train)

    def compute(self, reference: Similarity, generated: Population, device: torch.device) -> dict[str, float]:
        """The gap, ``{"ms_ssim_gap": ..., "ms_ssim": ..., "ms_ssim_real": ...}``, and standard errors."""
        made = pairwise_ms_ssim(generated, device)
        scores = {
            "ms_ssim_gap": abs(made.mean - reference.mean),
            "ms_ssim": made.mean,
            "ms_ssim_real": reference.mean,
        }
        errors = {
            "ms_ssim_gap_se": together(made.error, reference.error),
            "ms_ssim_se": made.error,
            "ms_ssim_real_se": reference.error,
        }
        return scores | {name: error for name, error in errors.items() if error is not None}


def pairwise_ms_ssim(population: Population, device: torch.device = _CPU) -> Similarity:
    """Mean MS-SSIM over pairs of uint8 (N, C, H, W) images, N at least 2.

    Raises:
        ScoreError: A single image, or images smaller than the 11x11 window.
    """
    images = population.values
    check_images(images)
    if len(images) < 2:
        raise ScoreError(f"{len(images)} image(s)", needed="at least 2 to make a pair")
    order = canonical_order(images)
    first, second = draw_pairs(len(images), _PAIRS)
    # So many pairs at once that their images, and what is kept of each in float64, stay below a gigabyte.
    most = max(1, _MOST_PIXELS // (2 * images[0].size))
    similarities = []
    for start in range(0, len(first), most):
        pairs = np.stack([first[start : start + most], second[start : start + most]])
        drawn, rows = np.unique(pairs, return_inverse=True)
        scales = _scales(_as_float(images[order[drawn]]).to(device))
        for part in torch.from_numpy(rows.reshape(pairs.shape)).to(device).split(50, dim=1):
            a, b = ([scale.of(side) for scale in scales] for side in part)
            similarities.append(_compare(a, b).cpu())
    values = torch.cat(similarities)
    patients = patient_numbers(population)[order]
    error = deviation_of_pairs(values.numpy(), patients[first], patients[second])
    return Similarity(float(values.mean()), error)


def mean_pairwise_ms_ssim(images: NDArray[np.uint8]) -> float:
    """The mean of ``pairwise_ms_ssim`` for images without patients."""
    return pairwise_ms_ssim(Population(images)).mean


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
    return _compare(_scales(a), _scales(b))


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
    one, other = _Scale.at(a), _Scale.at(b)
    return one.luminance(other) * one.contrast(other)


def _check_window(images: Tensor) -> None:
    if min(images.shape[2:]) < _WINDOW:
        raise ScoreError(
            f"images of {tuple(images.shape[2:])} pixels", needed=f"at least {_WINDOW} on each side"
        )


class _Scale(NamedTuple):
    """Images at one scale, with their mean and variance at every position of the window."""

    images: Tensor
    mean: Tensor
    variance: Tensor

    @classmethod
    def at(cls, images: Tensor) -> _Scale:
        mean = _local(images)
        return cls(images, mean, _local(images * images) - mean**2)

    def of(self, rows: Tensor) -> _Scale:
        return _Scale(self.images[rows], self.mean[rows], self.variance[rows])

    def luminance(self, other: _Scale) -> Tensor:
        return (2 * self.mean * other.mean + _C1) / (self.mean**2 + other.mean**2 + _C1)

    def contrast(self, other: _Scale) -> Tensor:
        """The contrast and the structure term in one."""
        covariance = _local(self.images * other.images) - self.mean * other.mean
        return (2 * covariance + _C2) / (self.variance + other.variance + _C2)


def _scales(images: Tensor) -> list[_Scale]:
    """As many of the five scales as fit, finest first."""
    _check_window(images)
    count = sum(min(images.shape[2:]) >> k >= _WINDOW for k in range(len(_SCALES)))
    scales = [_Scale.at(images)]
    while len(scales) < count:
        scales.append(_Scale.at(F.avg_pool2d(scales[-1].images, 2)))
    return scales


def _compare(a: Sequence[_Scale], b: Sequence[_Scale]) -> Tensor:
    weights = np.array(_SCALES[: len(a)]) / sum(_SCALES[: len(a)])
    result = torch.ones(a[0].images.shape[:2], dtype=a[0].images.dtype, device=a[0].images.device)
    for k, (one, other, weight) in enumerate(zip(a, b, weights, strict=True), start=1):
        term = one.contrast(other)
        if k == len(a):
            term = one.luminance(other) * term
        result *= term.mean((2, 3)).clamp(min=0) ** weight
    return result.mean(1)


def _local(images: Tensor) -> Tensor:
    """The mean of each image under the window at each of its positions."""
    rows, columns = (_gaussian_filter(side, images) for side in images.shape[2:])
    return rows @ images @ columns.T


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
