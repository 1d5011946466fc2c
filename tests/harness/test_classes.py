"""One generator for each class: what a classifier learns from their samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.cell.records import RunFolder
from harness.data.pictures import save_png
from harness.errors import DataError, SpecError
from harness.running.cell import Outcome
from harness.running.classes import class_utility
from harness.running.images import CellImages
from harness.scoring.classification import area, auc_of_training
from harness.scoring.segmentation.learning import Recipe

CPU = torch.device("cpu")
SHORT = Recipe(seeds=1, steps=25, width=4)

Run = Callable[..., Outcome]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Pictures of two classes: bright above, or bright below."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 40), ("val", 4), ("test", 20)):
        pictures = random.integers(0, 120, (count, 16, 16), dtype=np.uint8)
        labels = np.arange(count) % 2
        for picture, label in zip(pictures, labels, strict=True):
            picture[8 * label : 8 * label + 8] += 100
        arrays |= {f"{split}_images": pictures, f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "twomnist.npz", **arrays)
    return tmp_path / "twomnist.npz"


@pytest.fixture
def one_of(run_tiny: Run, raw: Path) -> Callable[..., RunFolder]:
    """A run on one class."""

    def run(label: int, **settings: Any) -> RunFolder:
        settings = {"held_out": True, "dataset.label": label, "metrics": "swd", **settings}
        return run_tiny(dataset="medmnist", data_root=raw, settings=settings).folder

    return run


def test_classifiers_learn_from_a_run_of_each_class(
    one_of: Callable[..., RunFolder], raw: Path, tmp_path: Path
) -> None:
    opened = CellImages({"medmnist": raw}, tmp_path / "cache")
    found = class_utility([one_of(0, epochs=20), one_of(1, epochs=20)], opened, SHORT, CPU)
    assert found.counts == [(20, 20, 10), (20, 20, 10)]
    numbers = found.numbers
    assert numbers["auc_real"] > 0.95
    assert numbers["auc_gap"] == pytest.approx(numbers["auc_real"] - numbers["auc"])
    assert numbers["auc_gain"] == pytest.approx(numbers["auc_both"] - numbers["auc_real"])
    with pytest.raises(SpecError, match="two of these runs are of the same images"):
        class_utility([one_of(0), one_of(0, epochs=3)], opened, SHORT, CPU)
    with pytest.raises(SpecError, match="one class can't be told"):
        class_utility([one_of(0)], opened, SHORT, CPU)
    with pytest.raises(SpecError, match="keeps no patients apart"):
        class_utility([one_of(0, held_out=False), one_of(1, held_out=False)], opened, SHORT, CPU)


def test_folders_of_pictures_are_classes(run_tiny: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    for number in range(60):
        for low, kind in ((0, "CT_COVID"), (120, "CT_NonCOVID")):
            pixels = random.integers(low, low + 60, (16, 16), dtype=np.uint8)
            save_png(tmp_path / "images" / kind / f"{number // 2}%{number % 2}.png", pixels[None])

    def one_of(kind: str) -> RunFolder:
        settings = {"dataset.include": f"{kind}/*", "dataset.patient": "([^/%]+)%", "held_out": True}
        return run_tiny(dataset="folder", data_root=tmp_path / "images", settings=settings).folder

    opened = CellImages({"folder": tmp_path / "images"}, tmp_path / "cache")
    found = class_utility([one_of("CT_COVID"), one_of("CT_NonCOVID")], opened, SHORT, CPU)
    assert min(found.counts[0]) > 5
    assert found.counts[0] == found.counts[1]
    assert found.numbers["auc_real"] == 1.0


def test_exchanged_samples_teach_the_wrong_thing() -> None:
    random = np.random.default_rng(1)
    dark, bright = (random.integers(low, low + 60, (20, 1, 16, 16), dtype=np.uint8) for low in (0, 120))
    right = auc_of_training([dark, bright], [dark[:8], bright[:8]], SHORT, CPU)
    wrong = auc_of_training([bright, dark], [dark[:8], bright[:8]], SHORT, CPU)
    assert right == [1.0]
    assert wrong == [0.0]
    assert auc_of_training([dark[::-1], bright], [dark[:8], bright[:8]], SHORT, CPU) == right


def test_a_class_that_nobody_has_is_refused(one_of: Callable[..., RunFolder]) -> None:
    with pytest.raises(DataError, match="no picture of class 7") as told:
        one_of(7)
    assert told.value.needed == "one of 0, 1"


def test_the_area_under_the_curve_by_hand() -> None:
    # Of 2 x 3 pairs the second class is higher in 4 and equal in 1.
    scores = np.array([0.1, 0.4, 0.6, 0.4, 0.9])
    truth = np.array([0, 0, 0, 1, 1])
    both = np.stack([1 - scores, scores], axis=1)
    assert area(both, truth) == pytest.approx((4 + 0.5) / 6)
