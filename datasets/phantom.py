"""Procedural axial thorax slices: a data set that needs no data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.api import Dataset, PluginConfig, Slice, Split, setting

from .anatomy import LESIONS, OUTSIDE, OVERSAMPLING, Thorax, Tissue
from .scanners import CT, MR, Scanner

#: Of five patients in a row three are for training: every split has somebody from five patients on.
_SPLITS: tuple[Split, ...] = ("train", "train", "train", "val", "test")
#: The label of each tissue: nothing, body, or lesion.
_LABEL_OF = np.array([0 if t in OUTSIDE else 2 if t in LESIONS else 1 for t in Tissue], np.uint8)


class PhantomConfig(PluginConfig):
    """Options of the phantom."""

    images: int = setting(512, "slices in all", source="ours: seconds to make", ge=1, le=100_000)
    slices_per_patient: int = setting(
        8, "slices of one patient, from apex to base", source="ours", ge=1, le=200
    )
    seed: int = setting(0, "which patients: another seed, other people", source="ours", ge=0)
    size: int = setting(
        256, "side of a slice", unit="pixels", source="published: the larger resolution", ge=32, le=1024
    )


class Phantom(Dataset[PhantomConfig]):
    """Axial slices of made-up chests: body, lungs, vessels, ribs, spine, heart, lesions, noise, a window.

    By themselves they are CT. A pair shows the same chest in CT and MR, where grey levels alone don't tell
    one from the other: lesions that look like vessels in CT are bright in MR, and vessels are black.

    Every slice is a function of (seed, patient, slice) alone, so any number of them costs no memory.
    Nobody should read a clinical meaning into them: they are for first runs, tests and documentation.
    """

    version = 2
    Config = PhantomConfig
    needs_root = False
    # Both lungs look alike. The side of the heart does not keep, where a slice shows it.
    flips = ("left-right",)
    modalities: ClassVar = ("ct", "mr")
    label_names = ("body", "lesion")
    regions: ClassVar = {"body": ("body", "lesion"), "lesion": ("lesion",)}
    licence = "none needed: computed, not acquired"
    citation = "This benchmark; the phantom is its own."
    obtain = "Nothing to get: it is computed."
    published_count = "not in the published work"

    def __init__(self, root: Path | None, config: PhantomConfig) -> None:
        super().__init__(None, config)

    def items(self) -> Sequence[str]:
        """One item per patient."""
        patients = -(-self.config.images // self.config.slices_per_patient)
        return [f"patient{number:05d}" for number in range(patients)]

    def read(self, item: str) -> Iterator[Slice]:
        """All slices of one patient; the last patient may have fewer."""
        patient = int(item.removeprefix("patient"))
        count = self.config.slices_per_patient
        person = _Person(self.config, patient)
        for index in range(min(count, self.config.images - patient * count)):
            yield self._slice(person, index, item, _SPLITS[patient % 5])

    def _slice(self, person: _Person, index: int, item: str, split: Split) -> Slice:
        tissues = person.tissues(index)
        source, target = self.pair or (None, "ct")
        return Slice(
            person.scan(target, tissues, index),
            item,
            item,
            index,
            split,
            target.upper(),
            counterpart=person.scan(source, tissues, index) if source else None,
            labels=_labels(tissues),
        )

    def fingerprint(self) -> str:
        """Nothing raw exists: the options say everything."""
        return hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()


class _Person:
    """One patient's chest, and the scanners that it went through."""

    def __init__(self, config: PhantomConfig, number: int) -> None:
        self.config, self.number = config, number
        random = np.random.default_rng([config.seed, number])
        self.first, self.last = random.uniform(0.05, 0.2), random.uniform(0.75, 1.0)
        ct = CT(random)
        self.thorax = Thorax(random)
        # From a stream of its own: whether anybody asks for MR changes no CT.
        self.scanners: dict[str, Scanner] = {"ct": ct, "mr": MR(self._random(0, 2))}

    def tissues(self, index: int) -> NDArray[np.uint8]:
        """What slice ``index`` shows, (size * OVERSAMPLING, same)."""
        level = self.first + (self.last - self.first) * (index + 0.5) / self.config.slices_per_patient
        return self.thorax.tissues(level, self.config.size)

    def scan(self, modality: str, tissues: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
        """These tissues as a scanner shows them: float32 (size, size) in [0, 1]."""
        purpose = list(self.scanners).index(modality)
        return self.scanners[modality].image(tissues, self._random(index, purpose))

    def _random(self, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, self.number, index, purpose])


def _labels(tissues: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels of pixels from oversampled tissues: at least half of a lesion's pixel is lesion."""
    fine = _LABEL_OF[tissues]
    every = range(OVERSAMPLING)
    body, lesion = (
        sum((fine >= label)[y::OVERSAMPLING, x::OVERSAMPLING].astype(np.uint8) for y in every for x in every)
        for label in (1, 2)
    )
    half = OVERSAMPLING**2 / 2
    return np.add(body >= half, lesion >= half, dtype=np.uint8)
