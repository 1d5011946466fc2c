"""The same scores as other libraries compute them from features, for ``scoring_scale.py``.

Each takes generated and real features, (N, d) each. Two of these libraries come with the project; the others
lie in an environment of their own, ``tox -e scoring_scale``.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Features = NDArray[np.float64]
#: What the other libraries draw for KID where there are so many: an estimate from 100 draws.
SUBSET = 1000
NEIGHBOURS = 3


class Given(nn.Module):
    """In the place of a network: what goes in is features already."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.num_features = dimension

    def forward(self, features: Tensor) -> Tensor:
        """The same."""
        return features


def fd_of_clean_fid(generated: Features, real: Features) -> float:
    from cleanfid import fid

    return float(fid.fid_from_feats(generated, real))


def fd_of_torch_fidelity(generated: Features, real: Features) -> float:
    from torch_fidelity import metric_fid

    sides = [metric_fid.fid_features_to_statistics(torch.from_numpy(side)) for side in (generated, real)]
    return float(metric_fid.fid_statistics_to_metric(*sides, verbose=False)[metric_fid.KEY_METRIC_FID])


def fd_of_torchmetrics(generated: Features, real: Features) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return float(_given_to(FrechetInceptionDistance(feature=Given(real.shape[1])), generated, real).compute())


def kid_of_clean_fid(generated: Features, real: Features) -> float:
    from cleanfid import fid

    return float(fid.kernel_distance(generated, real))


def kid_of_torch_fidelity(generated: Features, real: Features) -> float:
    from torch_fidelity import metric_kid

    found = metric_kid.kid_features_to_metric(
        *map(torch.from_numpy, (generated, real)), kid_subset_size=min(SUBSET, len(real)), verbose=False
    )
    return float(found[metric_kid.KEY_METRIC_KID_MEAN])


def kid_of_torchmetrics(generated: Features, real: Features) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=Given(real.shape[1]), subset_size=min(SUBSET, len(real)))
    return float(_given_to(metric, generated, real).compute()[0])


def precision_of_torch_fidelity(generated: Features, real: Features) -> float:
    from torch_fidelity import metric_prc

    found = metric_prc.prc_features_to_metric(
        *map(torch.from_numpy, (generated, real)), prc_neighborhood=NEIGHBOURS, verbose=False
    )
    return float(found[metric_prc.KEY_METRIC_PRECISION])


def precision_of_prdc(generated: Features, real: Features) -> float:
    from prdc import compute_prdc

    return float(compute_prdc(real, generated, nearest_k=NEIGHBOURS)["precision"])


def _given_to(metric: Any, generated: Features, real: Features) -> Any:
    for side, is_real in ((real, True), (generated, False)):
        for batch in torch.from_numpy(side).split(1000):
            metric.update(batch, real=is_real)
    return metric


LIBRARIES: dict[str, dict[str, Callable[[Features, Features], float]]] = {
    "fd": {
        "clean-fid": fd_of_clean_fid,
        "torch-fidelity": fd_of_torch_fidelity,
        "torchmetrics": fd_of_torchmetrics,
    },
    "kid": {
        "clean-fid": kid_of_clean_fid,
        "torch-fidelity": kid_of_torch_fidelity,
        "torchmetrics": kid_of_torchmetrics,
    },
    "manifold": {"torch-fidelity": precision_of_torch_fidelity, "prdc": precision_of_prdc},
}


def quietly(score: Callable[[Features, Features], float], generated: Features, real: Features) -> float:
    """A score without what its library prints and warns of."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return score(generated, real)


def library_versions() -> dict[str, str]:
    """Of each library that is there."""
    found = {}
    for name in sorted({name for libraries in LIBRARIES.values() for name in libraries}):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
