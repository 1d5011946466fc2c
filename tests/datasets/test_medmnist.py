"""MedMNIST: published files, their splits, grey and coloured, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets import medmnist
from harness_datasets.medmnist import MedMNIST, MedMNISTConfig

from harness.api import DataError
from harness.data.prepare import prepare

COUNTS = {"train": 9, "val": 3, "test": 4}


def add_file(path: Path, *shape: int, save: Callable[..., None] = np.savez_compressed) -> dict[str, Any]:
    """An .npz file as they are published, with pictures of this shape."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in COUNTS.items():
        arrays[f"{split}_images"] = random.integers(0, 256, (count, *shape), np.uint8)
        arrays[f"{split}_labels"] = random.integers(0, 9, (count, 1), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, **arrays)
    return arrays


def dataset(root: Path, **options: Any) -> MedMNIST:
    return MedMNIST(root, MedMNISTConfig(**options))


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (64, 64), (64, 64, 3)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_pictures_are_the_file_s_with_its_splits(
    tmp_path: Path, shape: tuple[int, ...], save: Callable[..., None]
) -> None:
    arrays = add_file(tmp_path / "pathmnist.npz", *shape, save=save)
    images = prepare(dataset(tmp_path), "medmnist", [shape[0]], tmp_path / "cache")[shape[0]]
    assert images.table["split"].value_counts().to_dict() == COUNTS
    assert images.channels == (3 if len(shape) == 3 else 1)
    stored = np.concatenate([arrays[f"{split}_images"] for split in COUNTS])
    assert np.array_equal(
        images.images, stored[:, None] if stored.ndim == 3 else stored.transpose(0, 3, 1, 2)
    )
    assert images.table["patient"].nunique() == 16
    assert images.conversions == {}


def test_one_class_has_its_own_pictures_alone(tmp_path: Path) -> None:
    arrays = add_file(tmp_path / "pathmnist.npz", 28, 28)
    chosen = int(arrays["train_labels"][0, 0])
    pieces = list(dataset(tmp_path, label=chosen).slices())
    expected = {split: np.flatnonzero(arrays[f"{split}_labels"][:, 0] == chosen).tolist() for split in COUNTS}
    assert {s: [p.index for p in pieces if p.split == s] for s in COUNTS} == expected
    whole = {piece.patient: piece.pixels for piece in dataset(tmp_path).slices()}
    assert all(np.array_equal(piece.pixels, whole[piece.patient]) for piece in pieces)


def test_many_pictures_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_file(tmp_path / "a.npz", 28, 28)
    whole = [piece.pixels for piece in dataset(tmp_path).slices()]
    monkeypatch.setattr(medmnist, "_AT_ONCE", 4)
    parts = dataset(tmp_path)
    assert list(parts.items()) == ["train 0", "train 4", "train 8", "val 0", "test 0"]
    pieces = {item: list(parts.read(item)) for item in reversed(parts.items())}
    together = [piece.pixels for item in parts.items() for piece in pieces[item]]
    assert np.array_equal(together, whole)


def test_colours_may_be_made_grey_and_the_set_says_so(tmp_path: Path) -> None:
    arrays = add_file(tmp_path / "pathmnist.npz", 28, 28, 3)
    images = prepare(dataset(tmp_path, colour="grey"), "medmnist", [28], tmp_path / "cache")[28]
    assert images.channels == 1
    assert images.conversions == {"colour to grey": 16}
    red, green, blue = arrays["train_images"][0, 0, 0].tolist()
    assert images.images[0, 0, 0, 0] == pytest.approx(0.299 * red + 0.587 * green + 0.114 * blue, abs=0.51)


def test_held_out_scores_carry_that_patients_are_not_known(tmp_path: Path) -> None:
    add_file(tmp_path / "pathmnist.npz", 28, 28, 3)
    add_file(tmp_path / "dermamnist_64.npz", 64, 64, 3)
    (caveat,) = dataset(tmp_path / "pathmnist.npz").caveats()
    assert "nothing tells which pictures are of one patient" in caveat
    assert any(
        "one lesion in several splits" in line for line in dataset(tmp_path / "dermamnist_64.npz").caveats()
    )


def test_grey_pictures_may_have_three_channels(tmp_path: Path) -> None:
    arrays = add_file(tmp_path / "octmnist.npz", 28, 28)
    images = prepare(dataset(tmp_path, colour="rgb"), "medmnist", [28], tmp_path / "cache")[28]
    assert images.images.shape == (16, 3, 28, 28)
    assert (images.images[:9] == arrays["train_images"][:, None]).all()


def test_one_file_of_a_folder_is_named(tmp_path: Path) -> None:
    add_file(tmp_path / "raw/pathmnist.npz", 28, 28, 3)
    add_file(tmp_path / "raw/octmnist_64.npz", 64, 64)
    with pytest.raises(DataError, match=r"holds octmnist_64, pathmnist\n") as caught:
        dataset(tmp_path / "raw").items()
    assert caught.value.hint == "--set dataset.name=octmnist_64"
    with pytest.raises(DataError, match="no bloodmnist"):
        dataset(tmp_path / "raw", name="bloodmnist").items()
    named, direct = dataset(tmp_path / "raw", name="octmnist_64"), dataset(tmp_path / "raw/octmnist_64.npz")
    assert next(named.slices()).pixels.shape == (64, 64)
    assert named.fingerprint() == direct.fingerprint()
    assert named.fingerprint() != dataset(tmp_path / "raw", name="pathmnist").fingerprint()


def test_three_dimensional_sets_are_refused(tmp_path: Path) -> None:
    add_file(tmp_path / "organmnist3d.npz", 28, 28, 28)
    with pytest.raises(DataError, match=r"train_images is uint8 \(9, 28, 28, 28\)") as caught:
        dataset(tmp_path).items()
    assert "three-dimensional" in caught.value.needed


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "samples.npz", arr_0=np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"samples\.npz has no readable array train_images"):
        dataset(tmp_path).items()
    (tmp_path / "samples.npz").write_bytes(b"PK\3\4 and nothing more")
    with pytest.raises(DataError, match="train_images"):
        dataset(tmp_path).items()
    (tmp_path / "samples.npz").unlink()
    (tmp_path / "note.txt").touch()
    with pytest.raises(DataError, match=r"holds note\.txt"):
        dataset(tmp_path).items()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_or_changed_file_never_gives_other_pictures(tmp_path: Path, share: float) -> None:
    path = tmp_path / "pathmnist.npz"
    add_file(path, 28, 28, 3)
    content = path.read_bytes()
    position = int(len(content) * share)
    for bad in (content[:position], content[:position] + b"\xff" * 64 + content[position + 64 :]):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"pathmnist\.npz"):
            list(dataset(tmp_path).slices())
