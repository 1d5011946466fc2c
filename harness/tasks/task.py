"""What all tasks have."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import Batch, Dataset, Model, Pair, Targets
from ..cell.spec import RunRequest, RunSpec
from ..data.image_set import ImageSet
from ..data.layers import PIXELS, SOURCE
from ..data.pictures import overlaid
from ..data.pixels import to_model_range
from ..data.stack import Stack
from ..errors import DataError


class Outputs(NamedTuple):
    """What a model made.

    Attributes:
        images: uint8 (N, C, H, W).
        targets: What each image should have been; None outside of a paired task.
        labels: uint8 (N, 1, H, W), what the images show: as the model says, or in a paired task as its
            targets do; None where nobody says anything.
    """

    images: NDArray[np.uint8]
    targets: Targets | None = None
    labels: NDArray[np.uint8] | None = None

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """The images as people look at them: with labels in colours, where there are labels."""
        return self.images if self.labels is None else overlaid(self.images, self.labels)


class Task(abc.ABC):
    """The images of one cell, and what its model makes of them.

    Args:
        spec: The cell.
        whole: All images of its data set.

    Raises:
        DataError: Nobody is left on one of the sides.

    Attributes:
        kind: Models that it is for.
        metrics: Scores where the user names none.
        always_holds_out: Whether test patients are kept apart whatever the protocol says.
        presets: What it adds to the core's presets.
        channels: Those of a model's images, without label maps.
        train: What the model is trained on.
        held_out: Patients that are kept apart; None where there are none.
        evaluated_against: Real images that evaluations during training compare with, to choose the best.
        chooser: Whose images choose the best evaluation.
        imitates: Whether a perfect model makes images such as it was trained on, augmentation included.
        notes: What a reader of the scores must be told, one line each.
        facts: What a record says of the data, beyond what it says of all.
    """

    kind: ClassVar[type[Model]]
    metrics: ClassVar[tuple[str, ...]]
    always_holds_out: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    imitates: ClassVar[bool]

    channels: int
    train: ImageSet
    held_out: ImageSet | None
    evaluated_against: ImageSet
    chooser: Literal["validation patients", "training patients", "test patients"]
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = {}

    @abc.abstractmethod
    def __init__(self, spec: RunSpec, whole: ImageSet) -> None: ...

    @classmethod
    @abc.abstractmethod
    def check_request(cls, request: RunRequest, pair: Pair | None, dataset: type[Dataset]) -> None:
        """Refuse what the task can't do with a data set: a pair where none is needed, or its absence.

        Raises:
            SpecError: The message says what to type.
        """

    @classmethod
    @abc.abstractmethod
    def draw(cls, model: Any, count: int, first: int, opened: Callable[[], Task]) -> Outputs:
        """Some images to look at, at most ``count``.

        Args:
            model: The model.
            count: How many.
            first: Which: the same number is always the same image.
            opened: Gives the cell's images, where raw data is needed.

        Raises:
            SpecError: There is none of that number.
        """

    def check_model(self, model: Any) -> None:  # noqa: B027 - nothing to find out, for most tasks
        """Find out before the training whether a model can do the task at all.

        Raises:
            PluginError: It can't.
        """

    def stacks(self, images: ImageSet) -> list[Stack]:
        """What a model is shown of real images, (N, 1 or ``channels``, H, W) each, as it is stored."""
        return [images.stacks[file] for file in (PIXELS, SOURCE) if file in images.stacks]

    def shown(self, stacks: Sequence[Tensor]) -> list[Tensor]:
        """Rows of these stacks as ``Batch`` has them: float32 (n, C, H, W) in [-1, 1] each."""
        return [to_model_range(stack).expand(-1, self.channels, -1, -1) for stack in stacks]

    def batch(self, images: ImageSet, device: torch.device) -> Batch:
        """Real images as a batch."""
        stacks = [torch.from_numpy(np.array(stack.array)).to(device) for stack in self.stacks(images)]
        return Batch(*self.shown(stacks))

    def as_outputs(self, images: ImageSet) -> Outputs:
        """Real images in the form of what a model makes."""
        return Outputs(images.images)

    @abc.abstractmethod
    def real_beside(self, count: int, first: int) -> ImageSet:
        """Real images to show beside those of ``draw``."""

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many images the scores of a record are of."""

    @abc.abstractmethod
    def generate(self, model: Any) -> Outputs:
        """What the scores of a record are of."""

    @abc.abstractmethod
    def kept(self, images: NDArray[np.uint8]) -> Outputs:
        """What ``generate`` gave, from its images alone, uint8 (N, ``channels``, H, W).

        Raises:
            SpecError: Images are not all of it.
        """

    def preview(self, model: Any) -> Outputs:
        """What evaluations during training look at, to choose the best networks."""
        return self.generate(model)

    @abc.abstractmethod
    def picture(self, path: Path, outputs: Outputs) -> None:
        """Save a picture of what the model makes."""


def check_sides(train: ImageSet, held_out: ImageSet, hint: str) -> None:
    """Refuse a split that leaves nobody on one of its sides.

    Raises:
        DataError: ``hint`` says what to do about it.
    """
    if not len(train) or not len(held_out):
        raise DataError(
            f"{train.name} has {len(train)} images to train on, {len(held_out)} held out",
            needed="patients on both sides",
            hint=hint,
        )


def chosen(images: ImageSet, rows: NDArray[np.intp]) -> ImageSet:
    """The images of these rows, in the order of the set."""
    mask = np.zeros(len(images), dtype=np.bool_)
    mask[rows] = True
    return images.select(mask)
