"""Task01_BrainTumour: four modalities in one file, axes as the header says, labels in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from harness_datasets.msd_brain import MSDBrain, MSDBrainConfig

from harness.api import DataError, Pair

SHAPE = (40, 44, 30)
LPS, RAS = np.diag([-1.0, -1.0, 1.0, 1.0]), np.diag([1.0, 1.0, 1.0, 1.0])


def save(path: Path, voxels: np.ndarray, affine: np.ndarray = LPS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def brains() -> np.ndarray:
    """Four modalities of 100 to 199, 200 to 299, 300 to 399 and 400 to 499 in a box; 0 outside of it."""
    voxels = np.zeros((*SHAPE, 4), np.int16)
    values = np.random.default_rng(0).integers(100, 200, (30, 30, 26, 4)) + 100 * np.arange(4)
    voxels[4:34, 8:38, 2:28] = values
    return voxels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "Task01_BrainTumour"
    save(root / "imagesTr/BRATS_001.nii.gz", brains())
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:12, 20:24, 5:25], labels[12:14, 20:24, 5:25], labels[14:16, 20:24, 5:25] = 1, 2, 3
    save(root / "labelsTr/BRATS_001.nii.gz", labels)
    # The archive was packed on a Mac, and its test cases have no labels.
    (root / "imagesTr/._BRATS_001.nii.gz").write_bytes(b"\0\5\x16\7")
    save(root / "imagesTs/BRATS_485.nii.gz", brains())
    return root


def dataset(root: Path, **options: Any) -> MSDBrain:
    return MSDBrain(root, MSDBrainConfig(**options))


def middle(pixels: np.ndarray) -> np.ndarray:
    """The 44 x 40 pixels in the middle of 256 x 256, where a shown plane is padded to."""
    return pixels[106:150, 108:148]


@pytest.mark.parametrize(("modality", "number"), [("flair", 0), ("t1", 1), ("t1gd", 2), ("t2", 3)])
def test_a_modality_is_a_volume_of_the_file(root: Path, modality: str, number: int) -> None:
    data = dataset(root, modality=modality, slices_per_case=None)
    assert data.items() == ["BRATS_001"]
    pieces = list(data.slices())
    voxels = brains()[..., number]
    white = np.percentile(voxels[voxels > 0], 99.5)
    assert [piece.index for piece in pieces] == list(range(2, 28))
    for piece in pieces:
        shown = np.clip(voxels[:, :, piece.index].T / white, 0, 1)
        np.testing.assert_allclose(middle(piece.pixels), shown, rtol=1e-5)


def test_labels_have_the_numbers_of_the_family(root: Path) -> None:
    data = dataset(root)
    assert data.label_names == ("brain", "necrosis", "oedema", "enhancing")
    # In the files oedema is 1, necrosis 2, enhancing 3.
    plane = middle(next(piece.labels for piece in data.slices() if piece.index == 15))
    assert [plane[21, x] for x in (5, 10, 12, 14)] == [1, 3, 2, 4]


def test_axes_are_turned_as_the_header_says(root: Path) -> None:
    before = list(dataset(root).slices())
    for path in (root / "imagesTr/BRATS_001.nii.gz", root / "labelsTr/BRATS_001.nii.gz"):
        voxels = np.asanyarray(nibabel.load(path).dataobj)
        save(path, voxels[::-1, ::-1].copy(), RAS)
    after = list(dataset(root).slices())
    assert len(after) == 23
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.labels, other.labels)


def test_pairs_come_from_one_file(root: Path) -> None:
    pair = next(dataset(root).paired(Pair("t1", "flair")).slices())
    alone = next(dataset(root, modality="t1").slices())
    assert np.array_equal(pair.counterpart, alone.pixels)
    assert not np.array_equal(pair.counterpart, pair.pixels)


def test_a_case_without_labels_has_a_brain_alone(root: Path) -> None:
    fingerprint = dataset(root).fingerprint()
    (root / "labelsTr/BRATS_001.nii.gz").unlink()
    assert {int(label) for piece in dataset(root).slices() for label in np.unique(piece.labels)} == {0, 1}
    assert dataset(root).fingerprint() != fingerprint


def test_three_volumes_are_not_four(root: Path) -> None:
    save(root / "imagesTr/BRATS_001.nii.gz", brains()[..., :3])
    with pytest.raises(DataError, match=r"BRATS_001\.nii\.gz has 3 volumes"):
        list(dataset(root).slices())


def test_files_of_brats_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "BraTS2021_00000/BraTS2021_00000_flair.nii.gz", brains()[..., 0])
    with pytest.raises(DataError, match="BraTS 2021") as caught:
        dataset(tmp_path).items()
    assert caught.value.hint == "--dataset brats2021"
