"""Telling classes of whole pictures apart: a small network, and how well it does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from .segmentation.learning import Recipe, scaled, trained
from .segmentation.network import block
from .stored import canonical_order

_AT_ONCE = 256
_LEVELS = 4


class Classifier(nn.Module):
    """The way down of the U-Net that segments, the mean over the image, and one linear layer.

    Shape: (n, channels, H, W) to scores (n, classes).

    Args:
        channels: Of the images.
        classes: How many.
        width: Channels at full size; each level below has twice as many.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width << level for level in range(_LEVELS)]
        self.entrance = block(channels, width)
        self.down = nn.ModuleList(block(narrow, wide) for narrow, wide in pairwise(widths))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of every class."""
        maps = self.entrance(images.contiguous(memory_format=torch.channels_last))
        for one in self.down:
            maps = one(F.max_pool2d(maps, 2, ceil_mode=True))
        scores: Tensor = self.head(maps.mean(dim=(2, 3)))
        return scores


def auc_of_training(
    learnt_from: Sequence[NDArray[np.uint8]],
    test: Sequence[NDArray[np.uint8]],
    recipe: Recipe,
    device: torch.device,
) -> list[float]:
    """How well networks tell test images apart that learnt from some images, one value for each seed.

    Args:
        learnt_from: uint8 (N, C, H, W) images of each class; their order does not matter.
        test: The same, of other patients.
        recipe: How networks are trained.
        device: Where.
    """
    images = np.concatenate(learnt_from)
    answers = np.repeat(np.arange(len(learnt_from), dtype=np.uint8), [len(one) for one in learnt_from])
    order = canonical_order(images)
    shown, truth = np.concatenate(test), np.repeat(np.arange(len(test)), [len(one) for one in test])
    found = []
    for seed in range(recipe.seeds):
        network = trained(
            lambda: Classifier(images.shape[1], len(learnt_from), recipe.width),
            (images[order], answers[order]),
            lambda scores, classes: F.cross_entropy(scores, classes.long()),
            recipe,
            seed,
            device,
        )
        with torch.no_grad():
            parts = torch.from_numpy(np.array(shown)).split(_AT_ONCE)
            scores = torch.cat([network(scaled(part.to(device))).softmax(1).cpu() for part in parts])
        found.append(area(scores.double().numpy(), truth))
    return found


def area(scores: NDArray[np.float64], truth: NDArray[np.intp]) -> float:
    """Area under the curve: the probability that an image of a class scores higher than one of another does.

    Ties count half. Of more than two classes the mean over each against all others.

    Args:
        scores: float64 (N, classes).
        truth: int (N,), the class of each; all occur.

    Source: Hanley and McNeil 1982.
    """
    areas = []
    for number in range(scores.shape[1]):
        is_one = truth == number
        ones, others = int(is_one.sum()), int((~is_one).sum())
        ranks = stats.rankdata(scores[:, number])
        areas.append((ranks[is_one].sum() - ones * (ones + 1) / 2) / (ones * others))
    return float(np.mean(areas))
