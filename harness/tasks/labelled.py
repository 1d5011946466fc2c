"""Images from noise, each with a map of what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import UNKNOWN_LABEL, Dataset, Pair, Synthesizer
from ..cell.spec import RunRequest, RunSpec
from ..data.image_set import ImageSet
from ..data.layers import LABELS, PIXELS
from ..data.pictures import evenly, save_comparison
from ..data.stack import Stack
from ..errors import DataError, PluginError, SpecError
from .synthesis import Synthesis
from .task import Outputs, chosen


class LabelledSynthesis(Synthesis):
    """Images from noise with label maps, made by any model that makes images from noise.

    A label map is the last channels of a model's images: one for each label and one, the first of them, for
    nothing; 1 where a pixel has the label and -1 elsewhere. What a model makes of them is read as the label
    whose channel is highest. Scores of images see the images alone. Test patients are always kept apart, for
    these maps are judged by what can be learnt from them about new patients.
    """

    metrics = (*Synthesis.metrics, "utility", "utility_gain")
    always_holds_out = True

    def __init__(self, spec: RunSpec, whole: ImageSet) -> None:
        assert spec.dataset.labels is not None
        self.names = spec.dataset.labels
        known = whole.select(_is_known(whole))
        self.unknown = len(whole) - len(known)
        if not len(known):
            raise DataError(
                f"no image of {whole.name} has a label map of which all is known",
                needed="the segmentations that belong to its images",
                hint="leave out --labels",
            )
        super().__init__(spec, known)

    @classmethod
    def check_request(cls, request: RunRequest, pair: Pair | None, dataset: type[Dataset]) -> None:
        """A segmentation is needed, and nothing to translate."""
        super().check_request(request, pair, dataset)
        if not dataset.label_names:
            raise SpecError(
                f"dataset {request.dataset} has no labels that a model could make",
                needed="a data set with a segmentation",
                hint="bench list datasets; or leave out --labels",
            )

    def check_model(self, model: Synthesizer) -> None:
        """Have it make one image: a network of fixed channels gives no labels."""
        shape = model.shape
        wanted = (1, shape.channels, shape.height, shape.width)
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                made = model.preview(torch.arange(1))
        finally:
            model.train(was_training)
        if not isinstance(made, Tensor) or made.shape != wanted:
            raise PluginError(
                f"model {model.registered_name} can't make labels: it gave an image of shape "
                f"{tuple(getattr(made, 'shape', ()))}",
                needed=f"{wanted}, where the last {shape.labels} channels are the label map: networks of "
                "shape.channels, whatever they are",
                hint=f"bench check {model.registered_name} --labels {len(self.names)}; or leave out --labels",
            )

    def stacks(self, images: ImageSet) -> list[Stack]:
        """Images, and what their pixels show."""
        return [images.stacks[PIXELS], images.stacks[LABELS]]

    def shown(self, stacks: Sequence[Tensor]) -> list[Tensor]:
        """Images with their label maps as further channels."""
        pictures, labels = stacks
        (images,) = super().shown([pictures])
        numbers = torch.arange(1 + len(self.names), device=labels.device)[:, None, None]
        return [torch.cat([images, (labels == numbers).float() * 2 - 1], dim=1)]

    @classmethod
    def outputs(cls, model: Synthesizer, made: NDArray[np.uint8]) -> Outputs:
        """Images, and the label of the highest channel at each pixel; of equal ones the first."""
        images, maps = np.split(made, [model.shape.channels - model.shape.labels], axis=1)
        return Outputs(
            np.ascontiguousarray(images), labels=maps.argmax(axis=1, keepdims=True).astype(np.uint8)
        )

    def kept(self, images: NDArray[np.uint8]) -> Outputs:
        """Images do not tell what their model says that they show."""
        raise SpecError("samples with label maps are more than images", needed="the networks that made them")

    def picture(self, path: Path, outputs: Outputs) -> None:
        """Samples beside real images, each with its labels in colours."""
        real = self.as_outputs(chosen(self.train, evenly(len(self.train), 36)))
        save_comparison(path, outputs.pictures, real.pictures)

    def as_outputs(self, images: ImageSet) -> Outputs:
        """Real images with their labels."""
        return Outputs(images.images, labels=images.labels)

    @cached_property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """How many images have no labels to learn from."""
        if not self.unknown:
            return []
        return [f"{self.unknown} images are left out: what they show is not known everywhere"]

    @cached_property
    def facts(self) -> Mapping[str, Any]:  # type: ignore[override]
        """In how many training images each label occurs."""
        labels = _labels(self.train)
        counts = {
            name: int((labels == number).any(axis=(1, 2, 3)).sum())
            for number, name in enumerate(self.names, start=1)
        }
        return {"labels": counts, "unknown_labels": self.unknown}


def _labels(images: ImageSet) -> NDArray[np.uint8]:
    assert images.labels is not None
    return images.labels


def _is_known(images: ImageSet) -> NDArray[np.bool_]:
    """Which images have a label at every pixel, (N,)."""
    if images.labels is None:
        return np.zeros(len(images), np.bool_)
    return np.array([not (labels == UNKNOWN_LABEL).any() for labels in images.labels], dtype=np.bool_)
