"""Kernel Inception distance: unbiased, so it means the same at any number of images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...api import Metric, Population, ScoreError
from .draws import Real

_SUBSETS = 100
_LARGEST = 100


class KernelDistance(Metric[Real]):
    """Squared maximum mean discrepancy under the kernel (x'y / d + 1)^3, in one feature space.

    The mean over 100 pairs of random subsets of min(100, N/2) images, by torch-fidelity's function. It is
    unbiased: 0 on average for equal distributions, and slightly negative values are right. ``kid_std`` is
    the spread over subsets. With held-out patients ``kid_held_out`` is the distance to them, and
    ``kid_overfit`` how much nearer the training images are.

    Source: Bińkowski et al. 2018, "Demystifying MMD GANs", section 4. Not multiplied by 1000.

    Args:
        space: Name of the feature space.
        score: Name of the score, and what its other numbers begin with.
    """

    version: ClassVar[int] = 1
    minimum = 4

    def __init__(self, space: str, score: str) -> None:
        self.needs = space
        self.goals = {score: "lower"}
        self.score = score

    def reference(self, train: Population, held_out: Population | None) -> Real:
        """The features of the real images."""
        return Real(train, held_out)

    def compute(self, reference: Real, generated: Population, device: torch.device) -> dict[str, float]:
        """Mean and spread, e.g. ``{"kid": 0.012, "kid_std": 0.003}``."""
        train, held_out = reference
        mean, spread = kernel_distance(train.values, generated.values)
        scores = {self.score: mean, f"{self.score}_std": spread}
        if held_out is not None:
            apart, _ = kernel_distance(held_out.values, generated.values)
            scores |= {f"{self.score}_held_out": apart, f"{self.score}_overfit": apart - mean}
        return scores


def kernel_distance(real: NDArray[np.float64], generated: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation over subsets, of float64 (N, d) and (M, d) features.

    Raises:
        ScoreError: Fewer than 4 images on a side: halves of less than 2 have no unbiased estimate.
    """
    # Here and not above: it imports torchvision, for seconds, and tables only ask what the scores are called.
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    smaller = min(len(real), len(generated))
    if smaller < 4:
        raise ScoreError(f"{smaller} image(s) on one side", needed="at least 4 on each side")
    result = kid_features_to_metric(
        torch.from_numpy(real),
        torch.from_numpy(generated),
        kid_subsets=_SUBSETS,
        # Half at most: subsets of all images would be one subset a hundred times, with a spread of 0.
        kid_subset_size=min(_LARGEST, smaller // 2),
        rng_seed=0,
        verbose=False,
    )
    return result[KEY_METRIC_KID_MEAN], result[KEY_METRIC_KID_STD]
