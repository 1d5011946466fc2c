"""What a feature space, and the weights that it needs, are to the core."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WeightsFile:
    """A file of published weights.

    Attributes:
        name: The file name that it is published under.
        sha256: Its digest, or as many leading digits as its publisher states; empty when none are.
        url: Where anybody can download it; empty when nobody can without signing something.
    """

    name: str
    sha256: str = ""
    url: str = ""


class WeightsLocator(Protocol):
    """Finds files of weights on this machine, or brings them to it."""

    def find(self, file: WeightsFile) -> Path:
        """The path of ``file``, its digest verified.

        Raises:
            WeightsError: It can't be had, or is not what it claims; the message says what to type.
        """
        ...


class FeatureSpace(abc.ABC):
    """A fixed map from images to vectors, in which populations are compared.

    It is made with the options of its registration: ``MySpace(weights, **options)``. Making one is cheap;
    files are only touched by ``check``, ``identity`` and ``extract``.

    Attributes:
        version: Raise it whenever the same images give other features.
        dimension: Length of one feature vector.
    """

    version: ClassVar[int]
    dimension: int

    def __init__(self, weights: WeightsLocator) -> None:
        self.weights = weights

    @abc.abstractmethod
    def check(self) -> None:
        """Make sure that the weights are at hand, before anybody trains for days.

        Raises:
            WeightsError: They are not; the message says what to type.
        """

    @abc.abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What names these features in a record: network, sha256 of the weights, resize."""

    @abc.abstractmethod
    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images with C of 1 or 3, as float64 (N, dimension)."""
