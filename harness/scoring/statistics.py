"""Statistics of real features that somebody else computed: enough for a Fréchet distance alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError
from .arrays import headers_of, read_array


class Statistics(NamedTuple):
    """Mean (d,) and covariance (d, d) of features, float64."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def features(self) -> NDArray[np.float64]:
        """Features (2 d, d) that have exactly this mean and this covariance, for what is made of features.

        With the covariance as V diag(w) V', rows are the mean plus and minus sqrt(w (n - 1) / 2) v, n = 2 d.
        """
        spread, directions = np.linalg.eigh(self.covariance)
        count = 2 * len(self.mean)
        steps = directions.T * np.sqrt(np.clip(spread, 0.0, None) * (count - 1) / 2.0)[:, None]
        return np.concatenate([self.mean + steps, self.mean - steps])


def is_statistics(path: Path) -> bool:
    """Whether a file holds statistics and not images."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        return {"mu", "sigma"} <= set(headers_of(path))
    except ScoreError:  # no archive, or a damaged one: whoever reads images says so
        return False


def read_statistics(path: Path, dimension: int) -> Statistics:
    """Read ``mu`` and ``sigma``, as pytorch-fid and guided diffusion write them.

    Raises:
        ScoreError: They are damaged, of other features, or no mean and covariance.
    """
    stored = [read_array(path, name) for name in ("mu", "sigma")]
    if any(array.dtype.kind not in "iuf" for array in stored):
        raise ScoreError(f"{path} holds {stored[0].dtype} and {stored[1].dtype}", needed="numbers")
    mean, covariance = (array.astype(np.float64) for array in stored)
    if mean.shape != (dimension,) or covariance.shape != (dimension, dimension):
        raise ScoreError(
            f"{path} holds mu {mean.shape} and sigma {covariance.shape}",
            needed=f"({dimension},) and ({dimension}, {dimension}), the features of the score",
        )
    spread = np.abs(covariance).max()
    if not np.isfinite(mean).all() or not np.isfinite(spread):
        raise ScoreError(f"{path} holds NaN or infinity", needed="finite numbers")
    if np.abs(covariance - covariance.T).max() > 1e-5 * spread:
        raise ScoreError(f"sigma in {path} is not symmetric", needed="a covariance")
    return Statistics(mean, (covariance + covariance.T) / 2.0)
