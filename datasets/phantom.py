"""Procedural axial thorax slices: a data set that needs no data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.api import Dataset, PluginConfig, Slice, Split, setting

from .anatomy import OVERSAMPLING, Thorax, Tissue

#: Mean of each tissue in Hounsfield units, by rule of thumb of any radiology textbook.
HOUNSFIELD = {
    Tissue.AIR: -1000,
    Tissue.TABLE: -350,
    Tissue.FAT: -100,
    Tissue.MUSCLE: 50,
    Tissue.LUNG: -850,
    Tissue.VESSEL: 40,
    Tissue.HEART: 60,
    Tissue.LIVER: 75,
    Tissue.SPONGY_BONE: 260,
    Tissue.COMPACT_BONE: 900,
    Tissue.NODULE: 30,
    Tissue.GROUND_GLASS: -560,
    Tissue.CONSOLIDATION: -40,
    Tissue.AIRWAY: -1000,
}

#: Of five patients in a row three are for training: every split has somebody from five patients on.
_SPLITS: tuple[Split, ...] = ("train", "train", "train", "val", "test")


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


class Phantom(Dataset):
    """Axial slices of made-up chests: body, lungs, vessels, ribs, spine, heart, lesions, noise, a window.

    Every slice is a function of (seed, patient, slice) alone, so any number of them costs no memory.
    Nobody should read a clinical meaning into them: they are for first runs, tests and documentation.
    """

    version = 1
    Config = PhantomConfig
    config: PhantomConfig
    needs_root = False
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
            yield Slice(person.pixels(index), item, item, index, _SPLITS[patient % 5], "CT")

    def fingerprint(self) -> str:
        """Nothing raw exists: the options say everything."""
        return hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()


class _Person:
    """One patient's chest and how a CT of it looks: attenuation, agent in the blood, window and noise."""

    def __init__(self, config: PhantomConfig, number: int) -> None:
        self.config, self.number = config, number
        random = np.random.default_rng([config.seed, number])
        self.first, self.last = random.uniform(0.05, 0.2), random.uniform(0.75, 1.0)
        self.values = np.array([HOUNSFIELD[tissue] for tissue in Tissue], dtype=np.float32)
        self.values[Tissue.LUNG] += random.normal(0.0, 35.0)
        self.values[[Tissue.VESSEL, Tissue.HEART]] += random.choice([0.0, random.uniform(60.0, 220.0)])
        self.gravity = random.uniform(20.0, 90.0)
        self.noise = random.uniform(15.0, 55.0)
        # Journals and scanners show lungs in different windows.
        self.low, self.high = random.uniform(-1250.0, -1000.0), random.uniform(150.0, 600.0)
        self.thorax = Thorax(random)

    def pixels(self, index: int) -> NDArray[np.float32]:
        """Slice ``index`` as a CT shows it: float32 (size, size) in [0, 1]."""
        level = self.first + (self.last - self.first) * (index + 0.5) / self.config.slices_per_patient
        tissues = self.thorax.tissues(level, self.config.size)
        return self._render(tissues, np.random.default_rng([self.config.seed, self.number, index]))

    def _render(self, tissues: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
        size = self.config.size
        # Pillow's triangle filter is the point spread: it averages the oversampled tissues at the borders.
        fine = Image.fromarray(self.values[tissues])
        image = np.array(fine.resize((size, size), Image.Resampling.BILINEAR))
        airy = tissues[::OVERSAMPLING, ::OVERSAMPLING] == Tissue.LUNG
        heavy = np.linspace(-self.gravity, self.gravity, size, dtype=np.float32)[:, None]
        image += airy * (heavy + _cloud(random, size, 45.0))
        image += _noise(random, size, self.noise)
        return np.clip((image - self.low) / (self.high - self.low), 0.0, 1.0).astype(np.float32)


def _cloud(random: np.random.Generator, size: int, strength: float) -> NDArray[np.float32]:
    """Smooth irregularities of a few pixels, as lung tissue has below the resolution: (size, size)."""
    coarse = random.standard_normal((64, 64), dtype=np.float32) * np.float32(strength)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR))


def _noise(random: np.random.Generator, size: int, deviation: float) -> NDArray[np.float32]:
    """Noise as a reconstruction leaves it, alike in neighbouring pixels: the mean of four, rescaled."""
    white = random.standard_normal((size + 1, size + 1), dtype=np.float32) * np.float32(deviation / 2.0)
    rows = white[1:] + white[:-1]
    return rows[:, 1:] + rows[:, :-1]
