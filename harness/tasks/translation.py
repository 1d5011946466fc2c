"""Images of one modality from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..api import Dataset, Pair, Targets, Translator
from ..cell.spec import RunRequest, RunSpec
from ..data.image_set import ImageSet
from ..data.pictures import evenly, in_columns, save_png
from ..errors import SpecError
from .sampling import translate_images
from .task import Outputs, Task, check_sides, chosen


class Translation(Task):
    """Images of one modality from the same slices in another, scored on patients that nobody trained on.

    Where the set has validation patients they choose the best evaluation, else the held-out ones do.
    """

    kind = Translator
    metrics = ("psnr", "ssim", "mae", "swd")
    always_holds_out = True
    presets: ClassVar = {"smoke": {"metrics": "psnr,ssim,mae"}, "quick": {"metrics": "psnr,ssim,mae"}}
    imitates = False

    held_out: ImageSet

    def __init__(self, spec: RunSpec, whole: ImageSet) -> None:
        protocol, self.channels = spec.protocol, spec.protocol.channels
        self.train, validation, self.held_out = (whole.select(part) for part in ("train", "val", "test"))
        check_sides(self.train, self.held_out, "another data set, or a data root with more patients")
        if protocol.limit:
            self.train = self.train.limit(protocol.limit, spec.seed)
        if protocol.samples:
            # The same slices for every seed.
            validation, self.held_out = (side.limit(protocol.samples) for side in (validation, self.held_out))
        self.choosing = validation if len(validation) else self.held_out
        self.chooser = "test patients" if self.choosing is self.held_out else "validation patients"
        self.evaluated_against = self.train

    @classmethod
    def check_request(cls, request: RunRequest, pair: Pair | None, dataset: type[Dataset]) -> None:
        """A source and a target are needed."""
        modalities = dataset.modalities
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
    def draw(cls, model: Translator, count: int, first: int, opened: Callable[[], Task]) -> Outputs:
        """Translations of held-out slices from number ``first`` on, evenly spaced."""
        return Outputs(translate_images(model, _source(opened().real_beside(count, first))))

    def real_beside(self, count: int, first: int) -> ImageSet:
        """Those held-out slices."""
        left = len(self.held_out) - first
        if left < 1:
            raise SpecError(
                f"there is no held-out slice {first}",
                needed=f"a number below {len(self.held_out)}",
                hint="--first-seed 0",
            )
        return chosen(self.held_out, first + evenly(left, count))

    @property
    def count(self) -> int:
        """All held-out slices, unless told otherwise."""
        return len(self.held_out)

    def generate(self, model: Translator) -> Outputs:
        """Translations of the held-out slices."""
        return self._translated(model, self.held_out)

    def kept(self, images: NDArray[np.uint8]) -> Outputs:
        """Translations of the held-out slices that somebody kept."""
        return self._beside(self.held_out, images)

    def preview(self, model: Translator) -> Outputs:
        """Translations of the validation slices, by the model's shorter way."""
        return self._translated(model, self.choosing, preview=True)

    def picture(self, path: Path, outputs: Outputs) -> None:
        """Source, output and target of held-out slices."""
        chosen = evenly(len(self.held_out), 12)
        shown = [_source(self.held_out)[chosen], outputs.images[chosen], self.held_out.images[chosen]]
        save_png(path, in_columns(shown, across=2), new_folder=False)

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

    def _translated(self, model: Translator, pairs: ImageSet, *, preview: bool = False) -> Outputs:
        return self._beside(pairs, translate_images(model, _source(pairs), preview=preview))

    def _beside(self, pairs: ImageSet, made: NDArray[np.uint8]) -> Outputs:
        """Translations beside what they should have been."""
        shape = (len(pairs), self.channels, *pairs.images.shape[2:])
        targets = Targets(np.broadcast_to(pairs.images, shape), pairs.regions, pairs.patients)
        return Outputs(made, targets, pairs.labels)


def _source(pairs: ImageSet) -> NDArray[np.uint8]:
    assert pairs.source is not None
    return pairs.source
