"""Prepared image sets: pixels, tables, subsets, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from harness_datasets.phantom import Phantom, PhantomConfig

from harness.api import DataError, Slice, SpecError
from harness.data.image_set import META, TABLE, ImageSet
from harness.data.layers import PIXELS
from harness.data.pixels import to_model_range, to_store_range, to_uint8
from harness.data.prepare import prepare
from harness.data.resize import resized, squared
from harness.data.stack import Stack


@pytest.fixture
def prepared_home(tmp_path: Path) -> Path:
    """A prepared folder of two patients with one image each."""
    phantom = Phantom(None, PhantomConfig(images=2, slices_per_patient=1, size=32))
    home = prepare(phantom, "phantom", [16], tmp_path)[16].home
    assert home is not None
    return home


def make_set(patients: list[str], splits: list[str]) -> ImageSet:
    count = len(patients)
    table = pd.DataFrame({"patient": patients, "source": "a", "index": range(count), "split": splits})
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), dtype=np.uint8)
    return ImageSet("toy", "f00", {PIXELS: Stack(images)}, table)


def test_stored_pixels_reach_both_ends_of_a_models_range() -> None:
    stored = torch.tensor([0, 127, 255], dtype=torch.uint8)
    assert to_model_range(stored).tolist() == pytest.approx([-1.0, -1 / 255, 1.0])
    assert to_model_range(stored)[[0, 2]].tolist() == [-1.0, 1.0]


def test_every_stored_value_survives_the_way_through_a_model() -> None:
    stored = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_store_range(to_model_range(stored)), stored)


def test_samples_outside_the_range_are_clamped() -> None:
    assert to_store_range(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]
    assert to_uint8(np.array([-0.1, 0.0, 127 / 255, 1.0, 1.1])).tolist() == [0, 0, 127, 255, 255]


@pytest.mark.parametrize(("square", "shape"), [("crop", (4, 4)), ("pad", (6, 6)), ("stretch", (4, 6))])
def test_squares(square: str, shape: tuple[int, int]) -> None:
    pixels = np.ones((4, 6), dtype=np.float32)
    pixels[:, 2:4] = 0.5
    result = squared(pixels, square)  # type: ignore[arg-type]
    assert result.shape == shape
    # Whatever is done, the middle stays the middle.
    assert (result[shape[0] // 2, shape[1] // 2 - 1 : shape[1] // 2 + 1] == 0.5).all()
    assert result.sum() == {"crop": 12.0, "pad": 20.0, "stretch": 20.0}[square]


def test_a_whole_number_reduction_is_the_mean_of_each_area() -> None:
    random = np.random.default_rng(0)
    pixels = random.random((256, 256), dtype=np.float32)
    expected = pixels.astype(np.float64).reshape(64, 4, 64, 4).mean(axis=(1, 3)) * 255.0
    assert np.abs(resized(pixels, [64])[0] - expected).max() <= 0.5 + 1e-3


def test_reducing_does_not_alias() -> None:
    # A pattern finer than the new pixels must become flat grey; without antialiasing it becomes stripes.
    stripes = np.tile(np.array([0.0, 1.0], dtype=np.float32), (300, 150))
    small = resized(stripes, [64])[0]
    assert np.abs(small[:, 4:-4].astype(int) - 128).max() <= 4


def test_overshoot_of_the_resampling_does_not_wrap_around() -> None:
    edge = np.zeros((10, 10), dtype=np.float32)
    edge[:, 5:] = 1.0
    large = resized(edge, [64])[0]
    assert large[:, :8].max() < 32
    assert large[:, -8:].min() > 223


def test_splits_are_selected_and_have_their_own_identity() -> None:
    whole = make_set(["a", "a", "b", "c"], ["train", "train", "test", "val"])
    train, both = whole.select("train"), whole.select(["train", "val"])
    assert [len(train), len(both)] == [2, 3]
    assert both.images[:, 0, 0, 0].tolist() == [0, 1, 3]
    assert both.table["patient"].tolist() == ["a", "a", "c"]
    assert len({whole.fingerprint, train.fingerprint, both.fingerprint}) == 3
    assert whole.select(["train", "val", "test"]).fingerprint == whole.fingerprint
    with pytest.raises(ValueError, match="read-only"):
        train.images[0] = 1


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(SpecError, match="holdout"):
        make_set(["a"], ["train"]).select("holdout")  # type: ignore[arg-type]


def test_a_limit_keeps_as_many_patients_as_it_can() -> None:
    # One patient with 90 images, ten with one each: 11 images must show all 11 patients.
    patients = ["many"] * 90 + [f"single{number}" for number in range(10)]
    whole = make_set(patients, ["train"] * 100)
    few = whole.limit(11, seed=3)
    assert len(few) == 11
    assert few.table["patient"].nunique() == 11
    assert whole.limit(11, seed=3).fingerprint == few.fingerprint
    assert whole.limit(11, seed=4).fingerprint != few.fingerprint
    assert whole.limit(1000).fingerprint == whole.fingerprint
    with pytest.raises(SpecError, match="limit of 0"):
        whole.limit(0)


@pytest.mark.parametrize("damage", [PIXELS, TABLE, META])
def test_an_incomplete_folder_is_not_opened(prepared_home: Path, damage: str) -> None:
    file = prepared_home / damage
    content = file.read_bytes()
    for bad in (content[: len(content) // 2], b"", b"PK\3\4", b"{}"):
        file.write_bytes(bad)
        with pytest.raises(DataError, match="not a prepared image set"):
            ImageSet.open(prepared_home)
    file.unlink()
    with pytest.raises(DataError, match="not a prepared image set"):
        ImageSet.open(prepared_home)


def test_a_set_with_a_changed_byte_is_not_opened(prepared_home: Path) -> None:
    with (prepared_home / PIXELS).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(DataError, match="changed since it was prepared"):
        ImageSet.open(prepared_home)


def test_patients_called_like_numbers_or_gaps_keep_their_names(tmp_path: Path) -> None:
    class Named(Phantom):
        def read(self, item: str) -> Iterator[Slice]:
            for one in super().read(item):
                yield replace(one, patient={"patient00000": "007", "patient00001": "NA"}[one.patient])

    named = Named(None, PhantomConfig(images=2, slices_per_patient=1, size=32))
    home = prepare(named, "named", [16], tmp_path)[16].home
    assert home is not None
    assert set(ImageSet.open(home).patients) == {"007", "NA"}
