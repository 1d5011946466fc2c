"""From stored images to what radiomics are computed on: one channel, normalised, half the resolution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SCALE = 100.0
"""Standard deviation of a normalised image."""
STEP = 2
"""Pixels of the image for one of the resampled grid."""
LUMA = (2125.0, 7154.0, 721.0)
"""Ten thousandths of red, green and blue that ITK reads a coloured file with (Rec. ITU-R BT.709)."""

_POLE = np.sqrt(3.0) - 2.0
_TOLERANCE = 1e-10
"""What ITK lets the first coefficient of a line be wrong by."""


def grey(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """One channel of uint8 (N, C, H, W) images, as float64 (N, H, W) in [0, 255].

    Colours become luminance, rounded to float32 as ITK does; of three equal channels it is any one.
    """
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float64)
    red, green, blue = (weight * images[:, c].astype(np.float64) for c, weight in enumerate(LUMA))
    return ((red + green + blue) / 1e4).astype(np.float32).astype(np.float64)


def normalised(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each of (N, H, W) images by itself with mean 0 and standard deviation ``SCALE``.

    A constant image has no deviation to divide by; it becomes 0 everywhere.
    """
    count = images[0].size
    # ITK adds with compensation, which is exact for all that matters; so is adding exactly.
    total = _exact_sums(images)
    squares = _exact_sums(np.square(images))
    variance = (squares - total * total / count) / (count - 1)
    # A constant image is told by its values: the difference of two sums may have rounding left in it.
    flat = images.min(axis=(1, 2)) == images.max(axis=(1, 2))
    factor = np.where(flat, 0.0, 1.0 / np.sqrt(np.where(flat, 1.0, variance)))
    shifted: NDArray[np.float64] = images + (-total / count)[:, None, None]
    return shifted * factor[:, None, None] * SCALE


def resampled(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, H, W) images at pixels of twice the side, by interpolation with cubic B-splines.

    The new pixels lie in the middles of blocks of 2 x 2. Where a side is odd, the last of them lies outside
    of the image and is 0 (``inside`` leaves it out).

    Every number comes from the same operations in the same order as in ITK, which pyradiomics calls. The
    result is the same to the last bit, and it has to be: in a flat part of an image the wavelet coefficients
    are nothing but rounding, and on which side of 0 they fall decides about their grey level.

    Returns:
        float64 (N, ceil(H / 2), ceil(W / 2)).

    Source: Unser 1999, "Splines: a perfect fit for signal and image processing", Box 2; ITK 5.4.
    """
    # ITK treats a slice as a volume of one layer: along x, then y; z has a single coefficient.
    coefficients = _coefficients(_coefficients(images, axis=2), axis=1)
    in_plane, across = _cubic_weights(0.5), _cubic_weights(0.0)
    values = [_neighbours(row, axis=2) for row in _neighbours(coefficients, axis=1)]
    shape = values[0][0].shape
    result, term = np.zeros(shape), np.empty(shape)
    for layer in across[:3]:  # the fourth weight is 0
        for y in range(4):
            for x in range(4):
                np.multiply(values[y][x], in_plane[x] * in_plane[y] * layer, out=term)
                result += term
    padded = np.zeros((len(images), -(-images.shape[1] // STEP), -(-images.shape[2] // STEP)))
    padded[:, : shape[1], : shape[2]] = result
    return padded


def inside(height: int, width: int) -> tuple[slice, slice]:
    """The part of a resampled image that lies inside of the image of this height and width."""
    return slice(0, height // STEP), slice(0, width // STEP)


def _exact_sums(images: NDArray[np.float64]) -> NDArray[np.float64]:
    if (images == np.rint(images)).all():  # whole numbers below 2^53: no order of adding them rounds
        return np.asarray(images.sum(axis=(1, 2)))
    return np.array([math.fsum(image.ravel().tolist()) for image in images])


def _coefficients(images: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Coefficients of the B-splines through every line along ``axis``, mirrored at the ends."""
    z = _POLE
    lines = np.ascontiguousarray(np.moveaxis(images, axis, 0))  # a line's neighbours lie side by side
    lines = lines * ((1.0 - z) * (1.0 - 1.0 / z))
    last = len(lines) - 1
    lines[0] = _first(lines, z)
    for n in range(1, last + 1):
        lines[n] += z * lines[n - 1]
    lines[last] = (z / (z * z - 1.0)) * (z * lines[last - 1] + lines[last])
    for n in range(last - 1, -1, -1):
        lines[n] = z * (lines[n + 1] - lines[n])
    return np.ascontiguousarray(np.moveaxis(lines, 0, axis))


def _first(lines: NDArray[np.float64], z: float) -> NDArray[np.float64]:
    """The first coefficient of the causal filter: a sum that is cut where it no longer matters, or exact."""
    horizon = int(np.ceil(np.log(_TOLERANCE) / np.log(abs(z))))
    total: NDArray[np.float64] = lines[0].copy()
    power = z
    if horizon < len(lines):
        for n in range(1, horizon):
            total += power * lines[n]
            power *= z
        return total
    inverse = 1.0 / z
    back = float(np.power(z, float(len(lines) - 1)))
    total += back * lines[-1]
    back *= back * inverse
    for n in range(1, len(lines) - 1):
        total += (power + back) * lines[n]
        power *= z
        back *= inverse
    return np.asarray(total / (1.0 - power * power))


def _neighbours(coefficients: NDArray[np.float64], axis: int) -> list[NDArray[np.float64]]:
    """The four coefficients along an axis around the middle of each block of two, mirrored at the ends."""
    last = coefficients.shape[axis] - 1
    blocks = (last + 1) // STEP
    places = last - np.abs(last - np.abs(np.arange(-1, STEP * blocks + 1)))
    # One before and one within a block; of the next block they are the third and the fourth.
    pair = [np.take(coefficients, places[first::STEP], axis=axis) for first in range(STEP)]
    before = (slice(None),) * axis
    return [pair[k % STEP][*before, k // STEP : k // STEP + blocks] for k in range(4)]


def _cubic_weights(w: float) -> tuple[float, float, float, float]:
    """Weights of four neighbouring coefficients at a distance ``w`` behind the second."""
    fourth = (1.0 / 6.0) * w * w * w
    first = (1.0 / 6.0) + 0.5 * w * (w - 1.0) - fourth
    third = w + first - 2.0 * fourth
    return first, 1.0 - first - third - fourth, third, fourth
