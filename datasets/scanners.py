"""How the tissues of the phantom look in a CT and in an MR scanner."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .anatomy import OVERSAMPLING, Tissue

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

#: Signal of each tissue as a share of the brightest, by rule of thumb: T2-weighted, so that fluid is bright,
#: while flowing blood, cortical bone and air give nothing.
SIGNAL = {
    Tissue.AIR: 0.0,
    Tissue.TABLE: 0.0,
    Tissue.FAT: 0.75,
    Tissue.MUSCLE: 0.22,
    Tissue.LUNG: 0.07,
    Tissue.VESSEL: 0.03,
    Tissue.HEART: 0.36,
    Tissue.LIVER: 0.30,
    Tissue.SPONGY_BONE: 0.50,
    Tissue.COMPACT_BONE: 0.04,
    Tissue.NODULE: 0.95,
    Tissue.GROUND_GLASS: 0.45,
    Tissue.CONSOLIDATION: 0.85,
    Tissue.AIRWAY: 0.0,
}


class Scanner(Protocol):
    """Makes pictures of one patient."""

    def image(self, tissues: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
        """A slice as this scanner shows it: float32 (size, size) in [0, 1].

        Args:
            tissues: uint8 (size * OVERSAMPLING, same), values of ``Tissue``.
            random: Source of this slice's noise.
        """
        ...


class CT:
    """Attenuation, agent in the blood, window and noise of one patient's CT."""

    def __init__(self, random: np.random.Generator) -> None:
        self.values = np.array([HOUNSFIELD[tissue] for tissue in Tissue], dtype=np.float32)
        self.values[Tissue.LUNG] += random.normal(0.0, 35.0)
        self.values[[Tissue.VESSEL, Tissue.HEART]] += random.choice([0.0, random.uniform(60.0, 220.0)])
        self.gravity = random.uniform(20.0, 90.0)
        self.noise = random.uniform(15.0, 55.0)
        # Journals and scanners show lungs in different windows.
        self.low, self.high = random.uniform(-1250.0, -1000.0), random.uniform(150.0, 600.0)

    def image(self, tissues: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
        """Attenuation in this patient's window."""
        image = _blurred(self.values[tissues])
        size = len(image)
        airy = tissues[::OVERSAMPLING, ::OVERSAMPLING] == Tissue.LUNG
        heavy = np.linspace(-self.gravity, self.gravity, size, dtype=np.float32)[:, None]
        image += airy * (heavy + _cloud(random, size, 45.0))
        image += _noise(random, size, self.noise)
        return _unit((image - self.low) / (self.high - self.low))


class MR:
    """Signal of each tissue, reach of the coils and noise of one patient's MR."""

    def __init__(self, random: np.random.Generator) -> None:
        signal = np.array([SIGNAL[tissue] for tissue in Tissue])
        self.values = (signal * random.normal(1.0, 0.05, len(signal))).astype(np.float32)
        self.reach = random.normal(1.0, 0.08, (3, 3)).astype(np.float32)
        self.noise = random.uniform(0.008, 0.025)

    def image(self, tissues: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.float32]:
        """Magnitude of the signal, brighter where the coils are near."""
        signal = _blurred(self.values[tissues])
        size = len(signal)
        signal *= np.asarray(Image.fromarray(self.reach).resize((size, size), Image.Resampling.BICUBIC))
        real, imaginary = random.normal(0.0, self.noise, (2, size, size))
        return _unit(np.hypot(signal + real, imaginary))


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.clip(values, 0.0, 1.0).astype(np.float32)
    return clipped


def _blurred(fine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels from oversampled points: Pillow's triangle filter is the point spread."""
    size = len(fine) // OVERSAMPLING
    return np.array(Image.fromarray(fine).resize((size, size), Image.Resampling.BILINEAR))


def _cloud(random: np.random.Generator, size: int, strength: float) -> NDArray[np.float32]:
    """Smooth irregularities of a few pixels, as lung tissue has below the resolution: (size, size)."""
    coarse = random.standard_normal((64, 64), dtype=np.float32) * np.float32(strength)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR))


def _noise(random: np.random.Generator, size: int, deviation: float) -> NDArray[np.float32]:
    """Noise as a reconstruction leaves it, alike in neighbouring pixels: the mean of four, rescaled."""
    white = random.standard_normal((size + 1, size + 1), dtype=np.float32) * np.float32(deviation / 2.0)
    rows = white[1:] + white[:-1]
    return rows[:, 1:] + rows[:, :-1]
