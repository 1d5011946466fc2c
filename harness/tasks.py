"""What a model is asked for: images of nothing, or of another modality. Its class chooses.

Whatever differs between the two is here; nothing else in the core tells them apart.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .api import Model, Pair, Synthesizer, Targets, Translator
from .data.images import ImageSet
from .errors import DataError, PluginError, SpecError
from .sampling import evenly, in_columns, sample_images, save_comparison, save_png, translate_images
from .spec import Protocol, RunRequest, RunSpec


class Outputs(NamedTuple):
    """What a model made, uint8 (N, C, H, W), and what each image should have been in a paired task."""

    images: NDArray[np.uint8]
    targets: Targets | None = None


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
        presets: What it adds to the core's presets.
        train: What the model is trained on.
        held_out: Patients that are kept apart; None where there are none.
        notes: What a reader of the scores must be told, one line each.
        facts: What a record says of the data, beyond what it says of all.
    """

    kind: ClassVar[type[Model]]
    metrics: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    train: ImageSet
    held_out: ImageSet | None
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = {}

    @abc.abstractmethod
    def __init__(self, spec: RunSpec, whole: ImageSet) -> None: ...

    @classmethod
    @abc.abstractmethod
    def check_pair(cls, pair: Pair | None, request: RunRequest, modalities: Sequence[str]) -> None:
        """Refuse a pair where none is needed, or its absence where one is.

        Raises:
            SpecError: The message says what to type.
        """

    @classmethod
    def complete(cls, protocol: Protocol) -> Protocol:
        """Fill in what the task decides."""
        return protocol if protocol.metrics else protocol.model_copy(update={"metrics": cls.metrics})

    @classmethod
    @abc.abstractmethod
    def draw(cls, model: Any, count: int, first: int, opened: Callable[[], Task]) -> NDArray[np.uint8]:
        """Some images to look at, uint8 (at most ``count``, C, H, W).

        Args:
            model: The model.
            count: How many.
            first: Which: the same number is always the same image.
            opened: Gives the cell's images, where raw data is needed.

        Raises:
            SpecError: There is none of that number.
        """

    @abc.abstractmethod
    def beside(self, count: int, first: int) -> ImageSet:
        """Real images to show beside those of ``draw``."""

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many images the scores of a record are of."""

    @abc.abstractmethod
    def generate(self, model: Any) -> Outputs:
        """What the scores of a record are of."""

    def preview(self, model: Any) -> Outputs:
        """What evaluations during training look at, to choose the best networks."""
        return self.generate(model)

    @abc.abstractmethod
    def has_previews(self, model: Any) -> bool:
        """Whether these are something else than what the scores of a record are of."""

    @abc.abstractmethod
    def picture(self, path: Path, outputs: Outputs) -> None:
        """Save a picture of what the model makes."""


class Synthesis(Task):
    """Images of nothing but random numbers."""

    kind = Synthesizer
    metrics = "fid,kid,swd,ms_ssim"
    presets: ClassVar = {"smoke": {"metrics": "swd,ms_ssim"}}

    def __init__(self, spec: RunSpec, whole: ImageSet) -> None:
        self.train, self.held_out = whole, None
        protocol = spec.protocol
        if protocol.held_out:
            self.train, self.held_out = whole.select(["train", "val"]), whole.select("test")
            _check_sides(
                self.train, self.held_out, "leave out held_out, or name a data root with split lists"
            )
        if protocol.limit:
            self.train = self.train.limit(protocol.limit, spec.seed)
        self.samples = protocol.samples

    @classmethod
    def check_pair(cls, pair: Pair | None, request: RunRequest, modalities: Sequence[str]) -> None:
        """There is nothing to translate."""
        if pair is not None:
            raise SpecError(
                f"model {request.model} makes images of nothing, and was asked to translate {pair.source}",
                needed="a model that translates",
                hint="leave out --source and --target",
            )

    @classmethod
    def draw(
        cls, model: Synthesizer, count: int, first: int, opened: Callable[[], Task]
    ) -> NDArray[np.uint8]:
        """Samples of the seeds from ``first`` on."""
        return sample_images(model, count, first_seed=first)

    def beside(self, count: int, first: int) -> ImageSet:
        """Training images: none of them belongs to a seed."""
        return _chosen(self.train, evenly(len(self.train), count))

    @property
    def count(self) -> int:
        """As many as real images, as published, unless told otherwise."""
        return self.samples or len(self.train)

    def generate(self, model: Synthesizer) -> Outputs:
        """Samples of the first seeds."""
        return Outputs(sample_images(model, self.count))

    def preview(self, model: Synthesizer) -> Outputs:
        """The same seeds by the model's shorter way."""
        return Outputs(sample_images(model, self.count, preview=True))

    def has_previews(self, model: Synthesizer) -> bool:
        """Whether it has a shorter way."""
        return type(model).preview is not Synthesizer.preview

    def picture(self, path: Path, outputs: Outputs) -> None:
        """Samples beside real images."""
        real = self.train.images[evenly(len(self.train), 36)]
        save_comparison(path, outputs.images, np.asarray(real))


class Translation(Task):
    """Images of one modality from the same slices in another, scored on patients that nobody trained on.

    Where the set has validation patients they choose the best evaluation, else the held-out ones do.
    """

    kind = Translator
    metrics = "psnr,ssim,mae,swd"
    presets: ClassVar = {"smoke": {"metrics": "psnr,ssim,mae"}}

    held_out: ImageSet

    def __init__(self, spec: RunSpec, whole: ImageSet) -> None:
        protocol, self.channels = spec.protocol, spec.protocol.channels
        self.train, validation, self.held_out = (whole.select(part) for part in ("train", "val", "test"))
        _check_sides(self.train, self.held_out, "another data set, or a data root with more patients")
        self.choosing = validation if len(validation) else self.held_out
        if protocol.limit:
            self.train = self.train.limit(protocol.limit, spec.seed)
        if protocol.samples:
            # The same slices for every seed.
            self.choosing, self.held_out = (
                side.limit(protocol.samples) for side in (self.choosing, self.held_out)
            )

    @classmethod
    def check_pair(cls, pair: Pair | None, request: RunRequest, modalities: Sequence[str]) -> None:
        """A source and a target are needed."""
        if pair is None and modalities:
            raise SpecError(
                f"model {request.model} translates one modality into another, and none was named",
                needed=f"two of {', '.join(modalities)}",
                hint=f"--source {modalities[0]} --target {modalities[-1]}",
            )
        if not modalities:
            raise SpecError(
                f"model {request.model} translates one modality into another, "
                f"and dataset {request.dataset} has no pairs of them",
                needed="a data set with several modalities of the same slices",
                hint="bench list datasets",
            )

    @classmethod
    def complete(cls, protocol: Protocol) -> Protocol:
        """Held-out patients are always kept apart."""
        return super().complete(protocol).model_copy(update={"held_out": True})

    @classmethod
    def draw(cls, model: Translator, count: int, first: int, opened: Callable[[], Task]) -> NDArray[np.uint8]:
        """Translations of held-out slices from number ``first`` on, evenly spaced."""
        return translate_images(model, _source(opened().beside(count, first)))

    def beside(self, count: int, first: int) -> ImageSet:
        """Those held-out slices."""
        left = len(self.held_out) - first
        if left < 1:
            raise SpecError(
                f"there is no held-out slice {first}",
                needed=f"a number below {len(self.held_out)}",
                hint="--first-seed 0",
            )
        return _chosen(self.held_out, first + evenly(left, count))

    @property
    def count(self) -> int:
        """All held-out slices, unless told otherwise."""
        return len(self.held_out)

    def generate(self, model: Translator) -> Outputs:
        """Translations of the held-out slices."""
        return self._translated(model, self.held_out)

    def preview(self, model: Translator) -> Outputs:
        """Translations of the validation slices."""
        return self._translated(model, self.choosing)

    def has_previews(self, model: Translator) -> bool:
        """Whether there are validation patients."""
        return self.choosing is not self.held_out

    def picture(self, path: Path, outputs: Outputs) -> None:
        """Source, output and target of held-out slices."""
        chosen = evenly(len(self.held_out), 12)
        shown = [_source(self.held_out)[chosen], outputs.images[chosen], self.held_out.images[chosen]]
        save_png(path, in_columns(shown, across=2))

    @cached_property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """What the held-out patients can't tell."""
        notes = [
            f"no held-out image has the region {region}: there are no scores inside it"
            for region, count in self.facts["regions"].items()
            if not count
        ]
        if self.choosing is self.held_out:
            notes.append(
                "without validation patients the held-out ones chose the best evaluation: "
                "the scores of the last are free of that choice"
            )
        return notes

    @cached_property
    def facts(self) -> Mapping[str, Any]:  # type: ignore[override]
        """In how many held-out images each region is not empty."""
        return {
            "regions": {
                name: int(masks.any(axis=(1, 2, 3)).sum()) for name, masks in self.held_out.regions.items()
            }
        }

    def _translated(self, model: Translator, pairs: ImageSet) -> Outputs:
        shape = (len(pairs), self.channels, *pairs.images.shape[2:])
        targets = Targets(np.broadcast_to(pairs.images, shape), pairs.regions)
        return Outputs(translate_images(model, _source(pairs)), targets)


def task_of(model: type[Model]) -> type[Task]:
    """The task that a model is for.

    Raises:
        PluginError: There is none.
    """
    for task in (Synthesis, Translation):
        if issubclass(model, task.kind):
            return task
    raise PluginError(
        f"{model.__name__} is neither a Synthesizer nor a Translator",
        needed="a class of harness.api.Synthesizer or harness.api.Translator",
    )


def _check_sides(train: ImageSet, held_out: ImageSet, hint: str) -> None:
    if not len(train) or not len(held_out):
        raise DataError(
            f"{train.name} has {len(train)} images to train on, {len(held_out)} held out",
            needed="patients on both sides",
            hint=hint,
        )


def _chosen(images: ImageSet, rows: NDArray[np.intp]) -> ImageSet:
    mask = np.zeros(len(images), dtype=np.bool_)
    mask[rows] = True
    return images.select(mask)


def _source(pairs: ImageSet) -> NDArray[np.uint8]:
    assert pairs.source is not None
    return pairs.source
