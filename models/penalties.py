"""Penalties on how steep a discriminator is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def squared_slopes(scores: Tensor, images: Sequence[Tensor]) -> list[Tensor]:
    """The squared length of the scores' gradient at each image, which can be learnt from.

    Half of its mean, times a weight, is R1 where images are real and R2 where they are generated.

    Args:
        scores: Of all the images, one or several each.
        images: Batches (n, C, H, W) that the scores were computed from.

    Returns:
        For each batch (n,).

    Source: Mescheder et al. 2018, Eq. 9.
    """
    gradients = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return [gradient.square().sum(dim=(1, 2, 3)) for gradient in gradients]
