"""Images to try scores on: the phantom, and real ones, with lesions and without, and another organ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _corruptions import CHANGES, Images, pool
from harness_datasets.anatomy import LESIONS, OVERSAMPLING, Tissue
from harness_datasets.pen import Pen
from harness_datasets.phantom import PhantomConfig, _Person
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from harness.api import Population
from harness.data.prepare import prepare
from harness.data.resize import resized
from harness.running.datasets import make_dataset
from harness.scoring.metrics.draws import part

Tissues = NDArray[np.uint8]


class Subject(NamedTuple):
    """Pools of images, all of the same patients in the same order, but for another organ's.

    Attributes:
        name: What these are.
        patients: (N,), whose each is.
        pools: uint8 (N, 1, side, side) each, by name.
        lesion: The pool whose images have lesions; ``healthy`` are the same without.
        about: What a lesion and another organ are here.
    """

    name: str
    patients: NDArray[np.str_]
    pools: dict[str, Images]
    lesion: str
    about: str


def phantom(count: int, side: int) -> Subject:
    """Phantoms of two slices each; without lesions; and heads, made by the same scanners."""
    config = PhantomConfig(images=count, slices_per_patient=2)
    scanned = {
        "original": _scans(config, side, lambda person, index: person.tissues(index)),
        "healthy": _scans(config, side, _healthy),
        "organ": _scans(config, side, _head),
    }
    patients = np.array([f"p{number // 2:04d}" for number in range(count)])
    has_lesion = (scanned["original"] != scanned["healthy"]).any(axis=(1, 2, 3)).mean()
    about = (
        f"{has_lesion:.0%} of the slices show a lesion, and without it lung; another organ is a head, drawn "
        "for this table and scanned by the same scanners"
    )
    return Subject("phantom", patients, _changed(scanned), "original", about)


def covid_ct(root: Path, count: int, side: int, cache: Path) -> Subject:
    """``count`` images of COVID-CT; with a nodule planted into each image; and slices of hearts (ACDC)."""
    images = prepare(make_dataset("covid-ct", {}, root / "covid-ct"), "covid-ct", [side], cache)[side]
    hearts = prepare(make_dataset("acdc", {}, root / "acdc"), "acdc", [side], cache)[side]
    whole = Population(np.asarray(images.images), images.patients)
    chosen = np.sort(part(whole, count, np.random.default_rng(0)))
    original = whole.values[chosen][:, :1]
    order = np.random.default_rng(0).permutation(len(hearts))[: len(original)]
    scanned = {
        "original": original,
        "healthy": original,
        "nodule": planted(original),
        "organ": np.array(hearts.images)[np.sort(order)][:, :1],
    }
    about = (
        "no lesions are labelled, so real images and samples have a bright nodule of 3 px radius planted "
        "into a dark place, which some samples miss; another organ is hearts in MR (ACDC)"
    )
    return Subject("COVID-CT", images.patients[chosen], _changed(scanned), "nodule", about)


def planted(images: Images) -> Images:
    """A soft bright disc of 3 px radius at a dark place of the middle of each image."""
    side = images.shape[-1]
    rng = np.random.default_rng(0)
    y, x = np.indices((side, side))
    result = images.copy()
    for image in result:
        around = gaussian_filter(image[0].astype(float), 3)
        middle = around[side // 4 : -side // 4, side // 4 : -side // 4]
        darkest = np.argsort(middle, axis=None)[: middle.size // 10]
        row, column = np.unravel_index(rng.choice(darkest), middle.shape)
        distance = np.hypot(y - row - side // 4, x - column - side // 4)
        disc = np.clip(3.5 - distance, 0, 1)
        image[0] = (image[0] * (1 - disc) + 200 * disc).round()
    return result


def _changed(pools: dict[str, Images]) -> dict[str, Images]:
    """With all changes of the pixels of the originals."""
    original = pools["original"]
    changed = {
        pool(name, strength): change(original, strength)
        for name, (change, strengths, _) in CHANGES.items()
        for strength in strengths
    }
    return {**pools, **changed, "mirrored": np.ascontiguousarray(original[..., ::-1])}


def _scans(config: PhantomConfig, side: int, tissues: Callable[[_Person, int], Tissues]) -> Images:
    """What the patients' scanners make of these tissues, with the same noise whatever they are."""

    def each() -> Iterator[Images]:
        for number in range(config.images // config.slices_per_patient):
            person = _Person(config, number)
            for index in range(config.slices_per_patient):
                yield resized(person.scan("ct", tissues(person, index), index), side)[None]

    return np.stack(list(each()))


def _healthy(person: _Person, index: int) -> Tissues:
    tissues = person.tissues(index)
    tissues[np.isin(tissues, LESIONS)] = Tissue.LUNG
    return tissues


def _head(person: _Person, index: int) -> Tissues:
    """Skin, skull, brain and ventricles of somebody's own size."""
    random = np.random.default_rng([person.number, index])
    pen = Pen(person.config.size * OVERSAMPLING, random.normal(0, 0.03, 2), random.normal(0, 0.1))
    wide, long = random.uniform(0.55, 0.7), random.uniform(0.72, 0.85)
    for shrink, tissue in ((1, Tissue.MUSCLE), (0.95, Tissue.COMPACT_BONE), (0.86, Tissue.HEART)):
        pen.ellipse(0, 0, wide * shrink, long * shrink, tissue)
    for side in (-1, 1):
        pen.ellipse(side * 0.1, -0.1, 0.05, random.uniform(0.12, 0.25), Tissue.FAT, side * 0.3)
    return pen.labels()
