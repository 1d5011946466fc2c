"""What can be wrong with samples, in three strengths each: pixels that are changed, and choices of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, rotate

Images = NDArray[np.uint8]
Rows = NDArray[np.intp]
Change = Callable[[Images, float], Images]


class Part(NamedTuple):
    """Some images of a pool: its name, and which of them."""

    pool: str
    rows: Rows


class Draw(NamedTuple):
    """Patients divided at random: what is trained on, and what a perfect generator would make.

    Attributes:
        train: Positions of the real images.
        new: Positions of images of other patients.
        held_out: Positions of images of others again.
        positions: float64 (N, k), all images in a space in which neighbours look alike.
        rng: Source of what is drawn for the corruptions.
    """

    train: Rows
    new: Rows
    held_out: Rows
    positions: NDArray[np.float64]
    rng: np.random.Generator

    def share(self, part: float) -> tuple[Rows, Rows]:
        """A random part of the new images, and the others."""
        order = self.rng.permutation(self.new)
        count = round(part * len(order))
        return order[:count], order[count:]


class Corruption(NamedTuple):
    """One thing that can be wrong.

    Attributes:
        name: What it is called.
        strengths: Three, growing.
        unit: What a strength says, with a place for it.
        samples: From a draw and a strength to the images that are scored.
        real: The pool of training images, and of the samples that nothing is wrong with.
    """

    name: str
    strengths: tuple[float, float, float]
    unit: str
    samples: Callable[[Draw, float], list[Part]]
    real: str = "original"


def noise(images: Images, strength: float) -> Images:
    """White noise of ``strength`` grey levels."""
    return _stored(images + np.random.default_rng(0).normal(0, strength, images.shape))


def blur(images: Images, strength: float) -> Images:
    """A Gaussian of ``strength`` pixels."""
    return _stored(gaussian_filter(images.astype(float), (0, 0, strength, strength)))


def sharpening(images: Images, strength: float) -> Images:
    """An unsharp mask: what a Gaussian of one pixel takes away is added ``strength`` times."""
    values = images.astype(float)
    return _stored(values + strength * (values - gaussian_filter(values, (0, 0, 1, 1))))


def contrast(images: Images, strength: float) -> Images:
    """``strength`` per cent less contrast around the mean of all images."""
    return _stored(images.mean() + (1 - strength / 100) * (images - images.mean()))


def rotation(images: Images, strength: float) -> Images:
    """``strength`` degrees to either side, by cubic splines; the edge is repeated."""
    turns = np.random.default_rng(0).choice([-strength, strength], len(images))
    turned = [
        rotate(image.astype(float), turn, (1, 2), reshape=False, mode="nearest")
        for image, turn in zip(images, turns, strict=True)
    ]
    return _stored(np.stack(turned))


CHANGES: Mapping[str, tuple[Change, tuple[float, float, float], str]] = {
    "noise": (noise, (2, 6, 18), "{:g} grey levels"),
    "blur": (blur, (0.4, 0.8, 1.6), "{:g} px"),
    "sharpening": (sharpening, (0.25, 0.75, 2), "{:g} times"),
    "less contrast": (contrast, (10, 25, 50), "{:g} %"),
    "rotation": (rotation, (2, 5, 15), "{:g}°"),
}
"""What changes the pixels of every image."""


def pool(name: str, strength: float) -> str:
    """What the images are called that are changed in this way and strength."""
    return f"{name}, {strength:g}"


def corruptions(lesion: str, healthy: str) -> list[Corruption]:
    """All corruptions; ``lesion`` and ``healthy`` are the pools of images with a lesion and without."""
    changed = [
        Corruption(name, strengths, unit, lambda draw, s, name=name: [Part(pool(name, s), draw.new)])
        for name, (_, strengths, unit) in CHANGES.items()
    ]
    return [
        *changed,
        Corruption(
            "missing lesion", (25, 50, 100), "in {:g} %",
            lambda draw, s: _mixed(draw, s, healthy, lesion), real=lesion,
        ),
        Corruption("duplicated sample", (2, 4, 16), "each {:g} times", _duplicated),
        Corruption("collapsed mode", (2, 4, 8), "1/{:g} of the kinds", _collapsed),
        Corruption("another organ", (5, 20, 100), "{:g} %", _another_organ),
        Corruption("copied training image", (10, 30, 100), "{:g} %", _copied),
        Corruption(
            "mirrored image", (25, 50, 100), "{:g} %",
            lambda draw, s: _mixed(draw, s, "mirrored", "original"),
        ),
    ]  # fmt: skip


def _mixed(draw: Draw, percent: float, wrong: str, right: str) -> list[Part]:
    chosen, others = draw.share(percent / 100)
    return [Part(wrong, chosen), Part(right, others)]


def _duplicated(draw: Draw, times: float) -> list[Part]:
    """As many samples, of which only one in ``times`` is another."""
    kept, _ = draw.share(1 / times)
    return [Part("original", np.resize(kept, len(draw.new)))]


def _collapsed(draw: Draw, times: float) -> list[Part]:
    """As many samples, all of one part of what there is: those most like one of them, again and again."""
    centre = draw.positions[draw.rng.choice(draw.new)]
    away = np.square(draw.positions[draw.new] - centre).sum(axis=1)
    kept = draw.new[np.argsort(away, kind="stable")[: round(len(draw.new) / times)]]
    return [Part("original", np.resize(kept, len(draw.new)))]


def _another_organ(draw: Draw, percent: float) -> list[Part]:
    chosen, others = draw.share(percent / 100)
    return [Part("organ", chosen), Part("original", others)]


def _copied(draw: Draw, percent: float) -> list[Part]:
    """Training images in place of some samples, to the last bit."""
    chosen, others = draw.share(percent / 100)
    return [Part("original", draw.rng.permutation(draw.train)[: len(chosen)]), Part("original", others)]


def _stored(values: NDArray[np.floating]) -> Images:
    stored: Images = values.round().clip(0, 255).astype(np.uint8)
    return stored
