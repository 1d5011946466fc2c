"""Adversarial losses: what each network is to make of the discriminator's scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus


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
    return (scores - target).square().mean()
