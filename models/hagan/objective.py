"""HAGAN's losses: L2 at the level of images and of pixels, and the consistency of mixed images (Eq. 5)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..losses import squared_error
from ..mixing import mix, shrink
from .attnmix import Mixed
from .discriminator import Judgement

REAL, FAKE = 1.0, 0.0


def image_loss(judgement: Judgement, target: Tensor | float) -> Tensor:
    """Squared distance of the images' scores from their labels, a number or (n,)."""
    return squared_error(judgement.image, target)


def pixel_loss(judgement: Judgement, target: Tensor | float) -> Tensor:
    """Squared distance of the pixels' scores from their labels, a number or a mask (n, 1, H, W).

    A mask is averaged over the area of each grid's cells; all grids weigh the same.
    """
    return _mean(
        squared_error(grid, target if isinstance(target, float) else shrink(target, grid.shape[-1]))
        for grid in judgement.pixels
    )


def consistency_loss(
    on_mixed: Judgement, on_real: Judgement, on_fake: Judgement, mixed: Mixed, *, features: bool
) -> Tensor:
    """Eq. 5: what is said of mixed images, against the mixture of what is said of their parts.

    Images mix by their ratio; pixels, and with ``features`` the trunk's maps, by the mask. Gradients flow
    into all three judgements.
    """
    loss = squared_error(on_mixed.image, mix(mixed.ratio, on_real.image, on_fake.image))
    if on_mixed.pixels:
        loss = loss + _grid_consistency(on_mixed.pixels, on_real.pixels, on_fake.pixels, mixed.mask)
    if features:
        loss = loss + _grid_consistency(on_mixed.maps, on_real.maps, on_fake.maps, mixed.mask)
    return loss


def _grid_consistency(
    on_mixed: Iterable[Tensor], on_real: Iterable[Tensor], on_fake: Iterable[Tensor], mask: Tensor
) -> Tensor:
    return _mean(
        squared_error(found, mix(shrink(mask, found.shape[-1]), real, fake))
        for found, real, fake in zip(on_mixed, on_real, on_fake, strict=True)
    )


def _mean(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).mean()
