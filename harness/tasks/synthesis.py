"""Images from noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..api import Dataset, Pair, Synthesizer
from ..cell.spec import RunRequest, RunSpec
from ..data.image_set import ImageSet
from ..data.pictures import evenly, save_comparison
from ..errors import SpecError
from .sampling import sample_images
from .task import Outputs, Task, check_sides, chosen


class Synthesis(Task):
    """Images from noise."""

    kind = Synthesizer
    metrics: ClassVar[tuple[str, ...]] = ("fid", "kid", "manifold", "frd", "swd", "ms_ssim")
    presets: ClassVar = {"smoke": {"metrics": "swd,ms_ssim"}, "quick": {"metrics": "swd,ms_ssim"}}
    imitates = True

    def __init__(self, spec: RunSpec, whole: ImageSet) -> None:
        self.train, self.held_out = whole, None
        protocol = spec.protocol
        self.channels = protocol.channels
        validation = None
        if protocol.held_out:
            self.train, validation, self.held_out = (whole.select(part) for part in ("train", "val", "test"))
            check_sides(self.train, self.held_out, "leave out held_out, or name a data root with split lists")
        if protocol.limit:
            self.train = self.train.limit(protocol.limit, spec.seed)
        self.evaluated_against = validation if validation is not None and len(validation) else self.train
        self.chooser = "training patients" if self.evaluated_against is self.train else "validation patients"
        self.samples = protocol.samples

    @classmethod
    def check_request(cls, request: RunRequest, pair: Pair | None, dataset: type[Dataset]) -> None:
        """There is nothing to translate."""
        if pair is not None:
            raise SpecError(
                f"model {request.model} generates from noise and cannot translate {pair.source}",
                needed="a model that translates",
                hint="leave out --source and --target",
            )

    @classmethod
    def draw(cls, model: Synthesizer, count: int, first: int, opened: Callable[[], Task]) -> Outputs:
        """Samples of the seeds from ``first`` on."""
        return cls.outputs(model, sample_images(model, count, first_seed=first))

    @classmethod
    def outputs(cls, model: Synthesizer, made: NDArray[np.uint8]) -> Outputs:
        """What a model's samples, uint8 (n, all channels, H, W), are."""
        return Outputs(made)

    def real_beside(self, count: int, first: int) -> ImageSet:
        """Training images: none of them belongs to a seed."""
        return chosen(self.train, evenly(len(self.train), count))

    @property
    def count(self) -> int:
        """As many as real images, as published, unless told otherwise."""
        return self.samples or len(self.train)

    def generate(self, model: Synthesizer) -> Outputs:
        """Samples of fresh seeds: those after the ones that every evaluation looked at."""
        return self.outputs(model, sample_images(model, self.count, first_seed=self.count))

    def kept(self, images: NDArray[np.uint8]) -> Outputs:
        """Samples that somebody kept."""
        return Outputs(images)

    def preview(self, model: Synthesizer) -> Outputs:
        """Samples of the first seeds, by the model's shorter way."""
        return self.outputs(model, sample_images(model, self.count, preview=True))

    def picture(self, path: Path, outputs: Outputs) -> None:
        """Samples beside real images."""
        real = self.train.images[evenly(len(self.train), 36)]
        save_comparison(path, outputs.images, np.asarray(real))
