"""What a score is to the core."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Goal = Literal["lower", "higher"]
ReferenceT = TypeVar("ReferenceT")


class Targets(NamedTuple):
    """What each image of a paired task should have been.

    Attributes:
        images: uint8 (N, C, H, W), real.
        regions: Parts of these images by name, bool (N, 1, H, W); may be empty in some.
        patients: (N,) whom each shows, where that is known.
    """

    images: NDArray[np.uint8]
    regions: Mapping[str, NDArray[np.bool_]]
    patients: NDArray[np.str_] | None = None


class Population(NamedTuple):
    """Images, or their features, as one side of a comparison.

    Attributes:
        values: uint8 (N, C, H, W) images, or float64 (N, d) features.
        patients: (N,) patient ids of real images; None for generated ones.
        targets: What each generated image should have been; None outside of a paired task.
        labels: uint8 (N, 1, H, W), what each pixel shows, of which ``UNKNOWN_LABEL`` says nothing: real ones,
            or those that a model made beside its images; None where there are none.
        structures: Of real images, what is scored by name: the labels whose union each is.
    """

    values: NDArray[Any]
    patients: NDArray[np.str_] | None = None
    targets: Targets | None = None
    labels: NDArray[np.uint8] | None = None
    structures: Mapping[str, Sequence[int]] = MappingProxyType({})


class Curve(NamedTuple):
    """A score at growing numbers of images.

    Attributes:
        score: Its name.
        sizes: Numbers of images on each side, growing.
        means: The score at each, mean over random parts of the images.
        deviations: Its standard deviation over these parts, which overlap.
        limit: What a straight line over 1/N comes to with infinitely many images.
        slope: Of that line.
    """

    score: str
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    limit: float
    slope: float


class Keeper(Protocol):
    """Where arrays are kept on disk, by all that they depend on."""

    def get(self, key: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """The array that was kept under ``key``; None where there is none, or a damaged one."""

    def put(self, key: Mapping[str, Any], features: NDArray[np.float64]) -> None:
        """Keep an array."""


class Metric(abc.ABC, Generic[ReferenceT]):
    """A pure function of real and generated images, or of their features.

    It is made with the options of its registration, ``MyMetric(**options)``, and written as
    ``class MyMetric(Metric[X])``, where X is what it keeps of the real images. These stay the same through
    all evaluations of a training, so ``reference`` is called once and ``compute`` many times.

    Attributes:
        version: Raise it whenever the same input gives another number.
        needs: ``"images"``, or the name of a registered feature space.
        minimum: Fewest images on either side that it can be computed on.
        is_paired: Whether it compares each generated image with its own target, ``generated.targets``. Such
            a metric may add scores inside regions, called SCORE/REGION.
        needs_held_out: Whether it can't be computed without real images of patients that nobody trained on.
        needs_labels: Whether it reads ``Population.labels``, of real images and of generated ones.
        recommended: Fewest images on either side above which it says more about the images than about
            their number; below, whoever prints it says so.
        goals: Whether lower or higher is better, for each score that a model is judged by. ``compute``
            always returns these, and may add numbers that help to read them, such as a spread.
        keeper: Keeps what takes long of real images. The core sets it; None where nothing is kept.
    """

    version: ClassVar[int]
    needs: str = "images"
    minimum: int = 2
    is_paired: bool = False
    needs_held_out: bool = False
    needs_labels: bool = False
    recommended: int = 0
    goals: Mapping[str, Goal]
    keeper: Keeper | None = None

    def kept(self, key: Mapping[str, Any], compute: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
        """What ``compute`` gives, computed once for all cells that share a cache.

        Args:
            key: All that it depends on, and what it is.
            compute: What takes long, of real images alone.
        """
        found = None if self.keeper is None else self.keeper.get(key)
        if found is None:
            found = compute()
            if self.keeper is not None:
                self.keeper.put(key, found)
        return found

    @abc.abstractmethod
    def reference(self, train: Population, held_out: Population | None) -> ReferenceT:
        """All that scoring needs of the real images, computed once and handed to ``compute`` and ``context``.

        Args:
            train: The real images that the model was trained on.
            held_out: Real images of patients that it never saw, where the protocol keeps some apart.

        Raises:
            ScoreError: Too few images, or images that can't be compared.
        """

    @abc.abstractmethod
    def compute(self, reference: ReferenceT, generated: Population, device: torch.device) -> dict[str, float]:
        """Score the generated images.

        Args:
            reference: What ``reference`` returned; it must stay as it is.
            generated: What the model sampled.
            device: Where to compute what is large.

        Raises:
            ScoreError: Too few images, or images that can't be compared.
        """

    def context(self, reference: ReferenceT, generated: Population, device: torch.device) -> dict[str, float]:
        """Numbers that say how far to trust the scores, such as a standard error. Nobody is judged by them.

        Called once for a final sample, so it may take many times as long as ``compute``.
        """
        return {}

    def curve(self, reference: ReferenceT, generated: Population) -> Curve | None:
        """The score at growing numbers of images, where it depends on them as 1/N does; else None."""
        return None

    def caveats(self, scores: Mapping[str, float], context: Mapping[str, float]) -> Sequence[str]:
        """Why these numbers may not mean what they seem to, such as copied training images; one line each.

        They stand in the record, and tables mark its scores.

        Args:
            scores: What ``compute`` returned.
            context: What ``context`` returned.
        """
        return ()
