"""Whether samples give away who was trained on: training images nearer to them than new patients' images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from ...api import Metric, Population, ScoreError
from .draws import Real, patient_numbers
from .neighbours import tiles

_FEWEST_PATIENTS = 40
_FEWEST_WRONG = 2.0
"""With fewer patients on a side, or fewer in the wrong order, intervals don't cover (docs/metrics.md)."""
_CONFIDENCE = 0.95


class Membership(NamedTuple):
    """How well membership is told.

    Attributes:
        auc: The probability that an image of a training patient is nearer to the samples than an image of a
            new patient is; ties count half.
        error: Its standard error over patients; None where a side has a single one.
        interval: Where it lies with a confidence of 95 %; None where no interval is known to cover.
    """

    auc: float
    error: float | None
    interval: tuple[float, float] | None


class MembershipAUC(Metric[Real]):
    """``mia_auc``: how well the nearest sample tells training images from images of held-out patients.

    An attacker who holds an image, and wants to know whether its patient was trained on, looks for the sample
    that is nearest to it. The score is the area under the curve (AUC) of that attack: 0.5 where samples tell
    nothing, which is what one wants, and 1 where every training image is nearer than any other. It needs
    held-out patients. Unlike a count of copies it has no threshold, and averages over all training images.

    Source: Chen et al. 2020, "GAN-Leaks: a taxonomy of membership inference attacks against generative
    models", section 4.2 (the attack that sees samples alone).

    Args:
        space: Name of the feature space.
        score: Name of the score.
    """

    version: ClassVar[int] = 1
    needs_held_out = True

    def __init__(self, space: str, score: str) -> None:
        self.needs = space
        self.goals = {score: "lower"}
        self.score = score

    def reference(self, train: Population, held_out: Population | None) -> Real:
        """The features of the real images.

        Raises:
            ScoreError: There are no held-out patients.
        """
        if held_out is None:
            raise ScoreError(f"no held-out patients for {self.score}", needed="images that nobody trained on")
        return Real(train, held_out)

    def compute(self, reference: Real, generated: Population, device: torch.device) -> dict[str, float]:
        """The area, e.g. ``{"mia_auc": 0.52}``."""
        return {self.score: self._membership(reference, generated, device).auc}

    def context(self, reference: Real, generated: Population, device: torch.device) -> dict[str, float]:
        """``mia_auc_se``, over patients; ``mia_auc_low`` and ``mia_auc_high``, where an interval covers."""
        found = self._membership(reference, generated, device)
        result = {} if found.error is None else {f"{self.score}_se": found.error}
        if found.interval is not None:
            low, high = found.interval
            result |= {f"{self.score}_low": low, f"{self.score}_high": high}
        return result

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """A word where training patients can be told."""
        auc, low = scores[self.score], context.get(f"{self.score}_low")
        # Without an interval because nearly all are in the right order, nothing is in doubt.
        error = context.get(f"{self.score}_se", np.inf)
        if low <= 0.5 if low is not None else auc - 0.5 <= 4 * error:
            return []
        return [
            f"{self.score} of {auc:.2f}: training images are nearer to samples than images of new patients "
            "are, so samples tell who was trained on"
        ]

    def _membership(self, reference: Real, generated: Population, device: torch.device) -> Membership:
        train, held_out = reference
        assert held_out is not None
        distances = [nearest_sample(side.values, generated.values, device) for side in (train, held_out)]
        return membership(distances[0], patient_numbers(train), distances[1], patient_numbers(held_out))


def nearest_sample(
    real: NDArray[np.float64], generated: NDArray[np.float64], device: torch.device
) -> NDArray[np.float64]:
    """Distance of each of float64 (N, d) real features to the nearest of (M, d) samples: float64 (N,)."""
    centre = real.mean(0)  # shorter vectors have smaller rounding
    x, y = (torch.from_numpy(side - centre).to(device) for side in (real, generated))
    found = x.new_full((len(x),), torch.inf)
    for rows, _, distances in tiles(x, y):
        found[rows] = torch.minimum(found[rows], distances.min(1).values)
    return found.cpu().numpy()


def membership(
    train: NDArray[np.float64],
    train_patients: NDArray[np.intp],
    new: NDArray[np.float64],
    new_patients: NDArray[np.intp],
) -> Membership:
    """The area, its error and its interval, from distances to the nearest sample.

    Args:
        train: float64 (N,), of training images.
        train_patients: int (N,), equal for images of one patient, counted from 0.
        new: float64 (M,), of images of new patients.
        new_patients: int (M,).

    Source: DeLong et al. 1988, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", with the placements of a patient's images added up as in Obuchowski 1997,
    "Nonparametric analysis of clustered ROC curve data", section 2; degrees of freedom by Welch 1947.
    """
    # The share of new images that are farther than each training image, and of training images nearer.
    first = 1 - _share_below(new, train)
    second = _share_below(train, new)
    auc = float(first.mean())
    sides = [_variance(first - auc, train_patients), _variance(second - auc, new_patients)]
    if any(variance is None for variance, _ in sides):
        return Membership(auc, None, None)
    variances = np.array([variance for variance, _ in sides], dtype=float)
    counts = np.array([count for _, count in sides])
    error = float(np.sqrt(variances.sum()))
    wrong = counts.min() * min(auc, 1 - auc)
    if counts.min() < _FEWEST_PATIENTS or wrong < _FEWEST_WRONG or error == 0:
        return Membership(auc, error, None)
    freedom = variances.sum() ** 2 / (variances**2 / (counts - 1)).sum()
    reach = float(stats.t.ppf((1 + _CONFIDENCE) / 2, freedom)) * error
    return Membership(auc, error, (max(0.0, auc - reach), min(1.0, auc + reach)))


def _share_below(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each limit, the share of values below it; equal ones count half."""
    ordered = np.sort(values)
    sides = (np.searchsorted(ordered, limits, "left"), np.searchsorted(ordered, limits, "right"))
    return np.asarray((sides[0] + sides[1]) / (2 * len(ordered)))


def _variance(away: NDArray[np.float64], patients: NDArray[np.intp]) -> tuple[float | None, int]:
    """Variance of a mean over images whose patients are independent, and the number of patients."""
    count = int(patients.max()) + 1
    if count < 2:
        return None, count
    of_patients = np.bincount(patients, away, count)
    return count / (count - 1) * float(np.square(of_patients).sum()) / len(away) ** 2, count
