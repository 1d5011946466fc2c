"""Losses: what each network is to make of the discriminator's scores, and of its distance from the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from .layout import in_memory_order


class AdversarialLoss(NamedTuple):
    """Three functions from unbounded scores (any shape) to a scalar.

    Attributes:
        real: The discriminator's loss on real images.
        fake: The discriminator's loss on generated images.
        generator: The generator's loss on its images.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


#: Binary cross-entropy, non-saturating for the generator (Goodfellow et al. 2014):
#: -log sigmoid(s) = softplus(-s).
CROSS_ENTROPY = AdversarialLoss(
    real=lambda scores: softplus(-scores).mean(),
    fake=lambda scores: softplus(scores).mean(),
    generator=lambda scores: softplus(-scores).mean(),
)

#: Hinge loss (Lim & Ye 2017, Zhang et al. 2019).
HINGE = AdversarialLoss(
    real=lambda scores: relu(1 - scores).mean(),
    fake=lambda scores: relu(1 + scores).mean(),
    generator=lambda scores: -scores.mean(),
)

#: The critic's estimate of the Wasserstein distance (Arjovsky et al. 2017).
WASSERSTEIN = AdversarialLoss(
    real=lambda scores: -scores.mean(),
    fake=lambda scores: scores.mean(),
    generator=lambda scores: -scores.mean(),
)


def squared_error(scores: Tensor, target: Tensor | float) -> Tensor:
    """Mean of (score - target)^2: the least-squares adversarial loss (Mao et al. 2017)."""
    return in_memory_order(scores - target).square().mean()


def absolute_error(images: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of ``weight`` times abs(image - target); the weight broadcasts, and without one it is 1."""
    error = (images - target).abs()
    return error.mean() if weight is None else (weight * error).mean()


def gradient_difference(images: Tensor, target: Tensor, power: float = 1.0) -> Tensor:
    """Mean of abs(abs(slope of the image) - abs(slope of the target))^power, vertical plus horizontal.

    The slopes are differences of neighbouring pixels, so a step and its opposite are the same.

    Source: Mathieu et al. 2016, with the mean in place of the sum.
    """
    vertical, horizontal = (
        (images.diff(dim=dim).abs() - target.diff(dim=dim).abs()).abs().pow(power).mean() for dim in (2, 3)
    )
    return vertical + horizontal
