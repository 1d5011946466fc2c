"""The Fréchet distance between two sets of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...api import Metric, Population, ScoreError
from .draws import Real, leaving_out, part
from .halves import Halves
from .jackknife import deviation, together

_EPS = torch.finfo(torch.float64).eps
_DRAWS = 10
_GROUPS = 25


def frechet_distance(real: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    r"""Squared Fréchet distance between the Gaussians fitted to two sets of features.

    .. math:: |m_1 - m_2|^2 + \operatorname{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2})

    With A and B the centred features over sqrt(n - 1), S1 = A'A, S2 = B'B, and the trace of the root is the
    nuclear norm of A B'. No covariance matrix is inverted or rooted, so rank-deficient ones (fewer images
    than dimensions, dead features) need no jitter, and nothing complex or NaN can come up.

    Args:
        real: float64 (N, d), N at least 2.
        generated: float64 (M, d), M at least 2; M and N may differ.

    Returns:
        The distance, 0 for equal sets up to rounding (about 1e-13 of the traces).

    Raises:
        ScoreError: Fewer than two rows, other dimensions, or values that are not finite.

    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium", Eq. 6; covariances with N - 1 as in the reference implementation.
    """
    for name, features in (("real", real), ("generated", generated)):
        if features.ndim != 2 or len(features) < 2:
            raise ScoreError(
                f"the {name} side has {len(features)} image(s)",
                needed="at least 2 on each side: one image has no covariance",
                hint="score a larger sample",
            )
        if not np.isfinite(features).all():
            raise ScoreError(f"features of the {name} side are not finite", needed="finite numbers")
    if real.shape[1] != generated.shape[1]:
        raise ScoreError(
            f"features of {real.shape[1]} and {generated.shape[1]} dimensions",
            needed="both sides in one feature space",
        )
    mean1, a = _centred(real)
    mean2, b = _centred(generated)
    shift = (mean1 - mean2).square().sum()
    return float(shift + a.square().sum() + b.square().sum() - 2 * _trace_of_root(a, b))


def _centred(features: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float64))
    mean = x.mean(0)
    return mean, (x - mean) / (len(x) - 1) ** 0.5


def _trace_of_root(a: Tensor, b: Tensor) -> Tensor:
    """Trace of the root of (A'A)(B'B), which is the nuclear norm of A B'."""
    if min(len(a), len(b)) >= a.shape[1]:
        root = _trace_of_root_by_cholesky(a, b)
        if root is not None:
            return root
    # A = QR has the same A'A as R, so the tall case shrinks to d x d without forming a covariance.
    a, b = (torch.linalg.qr(x, mode="r").R if len(x) > x.shape[1] else x for x in (a, b))
    singular_values: Tensor = torch.linalg.svdvals(a @ b.T)
    return singular_values.sum()


def _trace_of_root_by_cholesky(a: Tensor, b: Tensor) -> Tensor | None:
    """The same from the eigenvalues of L' S2 L with S1 = L L': about half the time for tall sets.

    Rounding moves each eigenvalue w by about eps * max(w), so its root by eps * max(w) / (2 sqrt(w)).
    None where these add up to more than 1e-11 of the result: too close to singular for this short cut.
    """
    factor, failed = torch.linalg.cholesky_ex(a.T @ a)
    if failed:
        return None
    eigenvalues = torch.linalg.eigvalsh(factor.T @ (b.T @ b) @ factor)
    if not eigenvalues[0] > 0:
        return None
    roots = eigenvalues.sqrt()
    rounding = (_EPS * eigenvalues[-1] / (2 * roots)).sum()
    return roots.sum() if rounding <= 1e-11 * roots.sum() else None


class Frechet(Metric[Real]):
    """The Fréchet distance to the training images, in one feature space.

    Its expectation grows as the number of images falls, so it never stands alone: ``context`` says what real
    images have at the same numbers, and gives a standard error. With held-out patients, ``fid_held_out`` is
    the distance to them.

    Args:
        space: Name of the feature space.
        score: Name of the score, and what its other numbers begin with: ``fid`` in the verified Inception
            space and nowhere else.
    """

    version: ClassVar[int] = 2
    # With fewer images than dimensions the covariances are singular, and most of the distance is bias.
    recommended = 2048

    def __init__(self, space: str, score: str) -> None:
        self.needs = space
        self.goals = {score: "lower"}
        self.score = score
        self._halves = Halves(score, frechet_distance, _DRAWS, power=2)

    def reference(self, train: Population, held_out: Population | None) -> Real:
        """The features of the real images."""
        return Real(train, held_out)

    def compute(self, reference: Real, generated: Population, device: torch.device) -> dict[str, float]:
        """The distance, e.g. ``{"fid": 41.3}``."""
        train, held_out = reference
        scores = {self.score: frechet_distance(train.values, generated.values)}
        if held_out is not None:
            scores[f"{self.score}_held_out"] = frechet_distance(held_out.values, generated.values)
        return scores

    def context(self, reference: Real, generated: Population, device: torch.device) -> dict[str, float]:
        """What the distance is worth at these numbers of images; the names begin with ``fid_``.

        - What ``Halves.context`` describes: ``halves``, ``at_halves``, ``perfect``, ``unseen``, ...
        - ``se``: standard error of the distance *at these numbers of images*, over patients and samples: how
          far it would scatter with other patients and other samples of the same generator. The distance of
          infinitely many images is another number, and no interval here is for it.
        - ``overfit``: distance to held-out patients minus that to equally many training images, mean of
          10 draws. Above 0, samples are nearer to what was trained on.
        """
        train, held_out = reference
        result = self._halves.context(train, held_out, generated.values)
        error = frechet_error(train, generated)
        if error is not None:
            result[f"{self.score}_se"] = error
        if held_out is not None:
            rng = np.random.default_rng(0)
            size = min(len(held_out.values), len(train.values))
            apart = frechet_distance(held_out.values[part(held_out, size, rng)], generated.values)
            trained = [
                frechet_distance(train.values[part(train, size, rng)], generated.values)
                for _ in range(_DRAWS)
            ]
            result[f"{self.score}_overfit"] = apart - float(np.mean(trained))
        return result

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """A word where samples are nearer to training patients than they can be without copying."""
        return self._halves.caveats(context)


def frechet_error(real: Population, generated: Population) -> float | None:
    """Standard error of the distance at its number of images, over patients and samples.

    A jackknife: the distance is computed again without each of at most 25 groups of real patients, and
    without each of at most 25 groups of samples. None where a side has a single patient.
    """
    without_real = [
        frechet_distance(real.values[left], generated.values)
        for left in leaving_out(real, _GROUPS)
        if len(left) > 1
    ]
    without_generated = [
        frechet_distance(real.values, generated.values[left])
        for left in leaving_out(generated, _GROUPS)
        if len(left) > 1
    ]
    return together(deviation(np.array(without_real)), deviation(np.array(without_generated)))
