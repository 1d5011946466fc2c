"""The four parts of an image that one level of the stationary wavelet transform gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOW = (
    -0.015655728135791993,
    -0.07273261951252645,
    0.3848648468648578,
    0.8525720202116004,
    0.3378976624574818,
    -0.07273261951252645,
)
"""The scaling filter of the Coiflet with two vanishing moments, ``coif1`` (Daubechies 1992, table 8.1)."""
HIGH = tuple((-1.0) ** (n + 1) * LOW[5 - n] for n in range(6))
"""Its wavelet filter, the quadrature mirror of the scaling filter."""
PARTS = ("LH", "HL", "HH", "LL")
"""What was kept along x, then along y: low frequencies or high ones."""

_ORDER = (0, 1, 2, 3, 4, 5)
_LAST_ORDER = (2, 1, 0, 3, 4, 5)
"""In which order PyWavelets adds up the last value of a line. Rounding decides in flat parts of an image."""


def wavelet_parts(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Parts of (N, H, W) images in the order of ``PARTS``, at every pixel: float64 (4, N, H, W).

    Lines are periodic; one of odd length is continued by its first value, as pyradiomics does. All numbers
    are PyWavelets' to the last bit (see ``resampled`` for the reason).
    """
    height, width = images.shape[1:]
    even = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2)), mode="wrap")
    low, high = (_filtered(even, kept, axis=2) for kept in (LOW, HIGH))
    parts = [
        _filtered(low, HIGH, axis=1),
        _filtered(high, LOW, axis=1),
        _filtered(high, HIGH, axis=1),
        _filtered(low, LOW, axis=1),
    ]
    return np.stack([part[:, :height, :width] for part in parts])


def _filtered(images: NDArray[np.float64], taps: tuple[float, ...], axis: int) -> NDArray[np.float64]:
    """Periodic convolution along an axis: value n is the sum of taps[j] * line[n + 3 - j]."""
    length = images.shape[axis]
    longer = np.take(images, np.arange(-2, length + 3), axis=axis, mode="wrap")
    lines = np.moveaxis(longer, axis, 0)
    shifted = [lines[5 - j : 5 - j + length] for j in range(6)]
    result = _sum(shifted, taps, _ORDER)
    result[-1] = _sum([line[-1] for line in shifted], taps, _LAST_ORDER)
    return np.moveaxis(result, 0, axis)


def _sum(
    values: list[NDArray[np.float64]], taps: tuple[float, ...], order: tuple[int, ...]
) -> NDArray[np.float64]:
    total = taps[order[0]] * values[order[0]]
    term = np.empty_like(total)
    for j in order[1:]:
        np.multiply(values[j], taps[j], out=term)
        total += term
    return total
