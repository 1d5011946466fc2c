"""Sliced Wasserstein distance between patches of Laplacian pyramids: a score that needs no weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...api import Goal, Metric, Population, ScoreError
from ..stored import canonical_order, check_images, drop_equal_channels
from .halves import Halves

_PATCH = 7
_PATCHES_PER_IMAGE = 128
_MOST_PATCHES = 1 << 17  # of one side and level: bounds memory at 77 MB a level for coloured images
_DIRECTIONS = 512
_BLOCK = 64  # directions projected at once
_COARSEST = 16
_CPU = torch.device("cpu")


class SlicedWasserstein(Metric["RealPatches"]):
    """``swd``: how far the local structure of the samples is from that of real images, at every scale.

    Both sets are taken apart into Laplacian pyramids (down to 16 pixels). At every level 7x7 patches are
    drawn (128 an image, fewer above 1024 images), each side is normalised by its own mean and deviation per
    channel, and the two clouds are compared along 512 random directions. The score is the mean over levels,
    times 1000. 0 is best; it depends on resolution, so compare only within one.

    Beside it stand ``swd_halves``, the distance between random halves of the real patients,
    ``swd_at_halves``, that of as many samples to such a half, and ``swd_perfect``, the least that is to be
    expected of samples that don't depend on the training images (docs/metrics.md).

    Source: Karras et al. 2018, "Progressive growing of GANs for improved quality, stability, and
    variation", section 5, and its reference implementation, with three differences: patches come from
    a fixed seed and the images' content instead of their order, sides of different size are compared at
    equal quantiles, and a set without any variation is left at 0 instead of divided by it.
    """

    version: ClassVar[int] = 1
    goals: Mapping[str, Goal] = {"swd": "lower"}

    def reference(self, train: Population, held_out: Population | None) -> RealPatches:
        """The projected patches of the training images."""
        return RealPatches(train, held_out)

    def compute(
        self, reference: RealPatches, generated: Population, device: torch.device
    ) -> dict[str, float]:
        """The distance to the training images, ``{"swd": ...}``."""
        return {"swd": reference.distance(generated.values, device)}

    def context(
        self, reference: RealPatches, generated: Population, device: torch.device
    ) -> dict[str, float]:
        """What ``Halves.context`` describes: ``swd_halves``, ``swd_at_halves``, ``swd_perfect``, ..."""
        held_out = None if reference.held_out is None else _in_order(reference.held_out)
        return _HALVES.context(_in_order(reference.train), held_out, _in_order(generated).values)

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """A word where samples are nearer to training patients than they can be without copying."""
        return _HALVES.caveats(context)


class RealPatches:
    """The patches of real images along every direction, which only change with the images.

    Holds up to 270 MB a level, at 1024 images and more.

    Args:
        train: uint8 (N, C, H, W) images.
        held_out: Those of other patients, which only ``context`` looks at.

    Raises:
        ScoreError: No images, or images smaller than a patch.
    """

    def __init__(self, train: Population, held_out: Population | None = None) -> None:
        self.train, self.held_out = train, held_out
        images = train.values
        check_images(images)
        if not len(images):
            raise ScoreError("no images on one side", needed="at least one image on each side")
        if min(images.shape[2:]) < _PATCH:
            raise ScoreError(f"images of {images.shape[2:]} pixels", needed=f"at least {_PATCH} on each side")
        self.images = images
        self.channels = _channels(images)
        self._projected: dict[int, list[list[NDArray[np.float32]]]] = {}

    def distance(self, generated: NDArray[np.uint8], device: torch.device) -> float:
        """The distance that ``SlicedWasserstein`` describes, to uint8 (M, C, H, W) images.

        Raises:
            ScoreError: No images, or other sizes than the real ones.
        """
        check_images(generated)
        if not len(generated):
            raise ScoreError("no images on one side", needed="at least one image on each side")
        if self.images.shape[2:] != generated.shape[2:]:
            raise ScoreError(
                f"real images are {self.images.shape[2:]}, generated ones {generated.shape[2:]} pixels",
                needed="one size",
            )
        # Grey images count the same whether they are stored in one channel or in three.
        channels = max(self.channels, _channels(generated))
        if channels not in self._projected:
            levels = _all_patches(self.images, channels, device)
            self._projected[channels] = [list(_projections(*level)) for level in enumerate(levels)]
        distances = [
            _mean_distance(self._projected[channels][level], _projections(level, patches))
            for level, patches in enumerate(_all_patches(generated, channels, device))
        ]
        return 1000 * float(np.mean(distances))


def sliced_wasserstein(
    real: NDArray[np.uint8], generated: NDArray[np.uint8], device: torch.device = _CPU
) -> float:
    """The distance that ``SlicedWasserstein`` describes, of uint8 (N, C, H, W) to uint8 (M, C, H, W) images.

    Raises:
        ScoreError: No images, other sizes on the two sides, or images smaller than a patch.
    """
    return RealPatches(Population(real)).distance(generated, device)


_HALVES = Halves("swd", sliced_wasserstein, draws=3, power=1)


def _in_order(population: Population) -> Population:
    """The same images in an order of their own, so that drawing from them does not depend on files."""
    order = canonical_order(population.values)
    patients = None if population.patients is None else population.patients[order]
    return Population(population.values[order], patients)


def _channels(images: NDArray[np.uint8]) -> int:
    return int(drop_equal_channels(images).shape[1])


def _all_patches(images: NDArray[np.uint8], channels: int, device: torch.device) -> list[Tensor]:
    """Random patches of every pyramid level, finest first, normalised: float32 (P, channels * 49)."""
    rng = np.random.default_rng(0)
    each = min(_PATCHES_PER_IMAGE, max(1, _MOST_PATCHES // len(images)))
    levels: list[list[Tensor]] = []
    order = canonical_order(images)
    for start in range(0, len(order), 64):
        batch = torch.from_numpy(images[order[start : start + 64], :channels]).to(device).float()
        pyramid = laplacian_pyramid(batch.expand(-1, channels, -1, -1))
        levels = levels or [[] for _ in pyramid]
        for found, level in zip(levels, pyramid, strict=True):
            found.append(_draw_patches(level, each, rng))
    return [_normalised(torch.cat(found)) for found in levels]


def _draw_patches(images: Tensor, each: int, rng: np.random.Generator) -> Tensor:
    n, _, height, width = images.shape
    top = torch.from_numpy(rng.integers(0, height - _PATCH + 1, (n, each))).to(images.device)
    left = torch.from_numpy(rng.integers(0, width - _PATCH + 1, (n, each))).to(images.device)
    windows = images.unfold(2, _PATCH, 1).unfold(3, _PATCH, 1).permute(0, 2, 3, 1, 4, 5)
    return windows[torch.arange(n, device=images.device)[:, None], top, left].flatten(0, 1)


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Differences between an image and its blurred half-size copy, finest first, and the coarsest copy last.

    Args:
        images: float32 (n, C, H, W). Sides are halved while they are even and stay at least 16.
    """
    levels = []
    while min(images.shape[2:]) >= 2 * _COARSEST and not any(side % 2 for side in images.shape[2:]):
        rows, columns = (_blur(side, images) for side in images.shape[2:])
        smaller = rows[::2] @ images @ columns[::2].T
        levels.append(images - (2 * rows[:, ::2]) @ smaller @ (2 * columns[:, ::2]).T)
        images = smaller
    return [*levels, images]


def _blur(side: int, like: Tensor) -> Tensor:
    """The 5-tap binomial filter along a line, mirrored at its ends, as a (side, side) matrix."""
    line = torch.eye(side, dtype=like.dtype, device=like.device)
    padded = F.pad(line[None], (2, 2), mode="reflect")[0]
    taps = torch.tensor([1, 4, 6, 4, 1], dtype=like.dtype, device=like.device) / 16
    # Row j of the identity, filtered, is what pixel j gives to every position: a column of the matrix.
    return (padded.unfold(1, 5, 1) @ taps).T


def _normalised(patches: Tensor) -> Tensor:
    """Zero mean and unit deviation of each channel over the whole set, as float32 (P, C * 49)."""
    mean = patches.double().mean((0, 2, 3), keepdim=True)
    deviation = patches.double().std((0, 2, 3), correction=0, keepdim=True)
    # A constant set has nothing to divide by, and rounding alone must not become its structure.
    scale = torch.where(deviation > 1e-4, 1 / deviation, 0.0)
    return ((patches - mean) * scale).float().flatten(1)


def _projections(level: int, patches: Tensor) -> Iterator[NDArray[np.float32]]:
    """Sorted projections of (P, d) patches of a level, 64 directions at a time: float32 (64, P) each."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # sorting lets go of the interpreter
        yield from pool.map(lambda axes: _sorted(patches, axes), _directions(level, patches.shape[1]))


def _directions(level: int, dimension: int) -> Iterator[Tensor]:
    """The random unit vectors of a level, the same for every set: float32 (dimension, 64) each."""
    rng = np.random.default_rng(level)
    for _ in range(0, _DIRECTIONS, _BLOCK):
        directions = rng.standard_normal((dimension, _BLOCK))
        directions /= np.linalg.norm(directions, axis=0)
        yield torch.from_numpy(directions).float()


def _sorted(patches: Tensor, axes: Tensor) -> NDArray[np.float32]:
    projected = axes.to(patches.device).T @ patches.T
    if projected.device.type != "cpu":
        return projected.sort(1).values.cpu().numpy()
    along = projected.numpy()
    along.sort(axis=1)  # several times as fast as torch's
    return along


def _mean_distance(a: Iterable[NDArray[np.float32]], b: Iterable[NDArray[np.float32]]) -> float:
    """Mean over directions of the one-dimensional Wasserstein-1 distance between sorted projections."""
    means = []
    for one, other in zip(a, b, strict=True):
        count = min(one.shape[1], other.shape[1])
        difference = _quantiles(one, count) - _quantiles(other, count)
        means.append(float(np.abs(difference, out=difference).mean(dtype=np.float64)))
    return sum(means) / len(means)


def _quantiles(along: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """``count`` equally spaced quantiles of sorted values."""
    if along.shape[1] == count:
        return along
    ranks = ((np.arange(count) + 0.5) * (along.shape[1] / count)).astype(np.intp)
    return along[:, ranks]
