"""How a feature network is loaded and run, whichever it is."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...api import FeatureSpace, WeightsLocator
from ...interrupting import look


class NetworkSpace(FeatureSpace):
    """A feature space whose network is loaded when it is asked for, once.

    Args:
        weights: Finds its file.
    """

    def __init__(self, weights: WeightsLocator) -> None:
        super().__init__(weights)
        self._loaded: tuple[nn.Module, str] | None = None

    def check(self) -> None:
        """Make sure that the weights are at hand and are this network's."""
        self.load()

    def load(self) -> tuple[nn.Module, str]:
        """The network, and the sha256 of its weights.

        Raises:
            WeightsError: They are missing, or another network's.
        """
        if self._loaded is None:
            self._loaded = self.read()
        return self._loaded

    @abc.abstractmethod
    def read(self) -> tuple[nn.Module, str]:
        """What ``load`` returns, from its file."""


def network_features(network: nn.Module, batches: Iterable[Tensor], dimension: int) -> NDArray[np.float64]:
    """Features of every image of every batch: computed in float32, returned as float64 (N, dimension)."""
    features = [torch.empty(0, dimension)]
    with torch.inference_mode(), full_precision():
        for batch in batches:
            look()
            # Left on the device until the end: it computes while the next batch is resized.
            features.append(network(batch.contiguous(memory_format=torch.channels_last)).flatten(1))
        return torch.cat([part.cpu() for part in features]).double().numpy()


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute in float32 whatever training around it is set to.

    tf32 would move features by about 1e-3, bfloat16 by several per cent.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
