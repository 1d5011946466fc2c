"""BraTS 2018: selection, intensity, modalities, labels and layouts on small synthetic cases."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brains import SHAPE, brain, save
from harness_datasets.brats import Brats2018, Brats2018Config

from harness.api import DataError, Pair, Slice
from harness.data.prepare import prepare


def add_case(folder: Path, case: str, seed: int, modalities: tuple[str, ...] = ("t1", "flair")) -> None:
    for number, modality in enumerate(modalities):
        save(folder / case / f"{case}_{modality}.nii.gz", brain(10 * seed + number))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two cases of each grade."""
    root = tmp_path / "MICCAI_BraTS_2018_Data_Training"
    for number in range(2):
        add_case(root / "HGG", f"Brats18_CBICA_AA{number}_1", number)
        add_case(root / "LGG", f"Brats18_TCIA0{number}_10{number}_1", number + 5)
    (root / "survival_data.csv").write_text("BraTS18ID,Age,Survival\n")
    return root


def dataset(root: Path, **options: Any) -> Brats2018:
    return Brats2018(root, Brats2018Config(**options))


def read(root: Path, **options: Any) -> list[Slice]:
    return list(dataset(root, **options).read("Brats18_CBICA_AA0_1"))


def test_equally_spaced_slices_with_enough_brain(root: Path) -> None:
    every = [piece.index for piece in read(root, slices_per_case=None)]
    covered = (brain(1) > 0).mean(axis=(0, 1))
    assert every == np.flatnonzero(covered >= 0.10).tolist()
    few = [piece.index for piece in read(root, slices_per_case=5)]
    assert (few[0], few[-1], len(few)) == (every[0], every[-1], 5)
    assert set(np.diff(few)) <= {11, 12, 13}
    assert len(read(root, slices_per_case=500)) == len(every)
    assert [len(list(dataset(root).read(case))) for case in dataset(root).items()] == [23] * 4


def test_the_plane_is_padded_to_256_and_background_stays_zero(root: Path) -> None:
    piece = read(root, slices_per_case=1)[0]
    assert piece.pixels.shape == (256, 256)
    assert piece.raw_shape == (40, 40)
    shown = piece.pixels[108:148, 108:148]
    stored = brain(1)[:, :, piece.index].T
    assert ((shown == 0) == (stored == 0)).all()
    assert piece.pixels.sum() == pytest.approx(shown.sum())


@pytest.mark.parametrize(
    ("plane", "shown"),
    [
        # The crown is up; the patient's right is on the left, or their front.
        ("coronal", lambda stored, n: stored[:, n, ::-1].T),
        ("sagittal", lambda stored, n: stored[n, :, ::-1].T),
    ],
)
def test_other_planes_stand_upright(root: Path, plane: str, shown: Any) -> None:
    piece = read(root, plane=plane, slices_per_case=3)[1]
    stored = shown(brain(1), piece.index)
    assert piece.raw_shape == stored.shape
    top, left = ((256 - length) // 2 for length in stored.shape)
    seen = piece.pixels[top : top + stored.shape[0], left : left + stored.shape[1]]
    assert ((seen == 0) == (stored == 0)).all()
    order = np.argsort(stored, axis=None, kind="stable")
    assert (np.diff(seen.ravel()[order]) >= 0).all()


def test_white_is_the_percentile_of_the_brain_and_not_of_the_whole_volume(root: Path) -> None:
    voxels = brain(1)
    piece = read(root)[0]
    white = np.percentile(voxels[voxels > 0], 99.5)
    expected = np.clip(voxels[:, :, piece.index].T / white, 0, 1)
    np.testing.assert_allclose(piece.pixels[108:148, 108:148], expected, rtol=1e-5)


def test_64_pixels_are_exact_areas_of_four_by_four(root: Path, tmp_path: Path) -> None:
    images = prepare(dataset(root, slices_per_case=2), "brats2018", [64], tmp_path)[64]
    pixels = next(dataset(root, slices_per_case=2).slices()).pixels.astype(np.float64)
    areas = pixels.reshape(64, 4, 64, 4).mean(axis=(1, 3)) * 255
    assert np.abs(images.images[0, 0] - areas).max() <= 0.5 + 1e-3


T1_FLAIR = Pair("t1", "flair")


def add_labels(root: Path, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A tumour of three labels in the first case."""
    labels = np.zeros(shape, np.uint8)
    labels[15:20, 15:20, 25:35] = 1
    labels[16:18, 16:18, 28:31] = 4
    save(root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_seg.nii.gz", labels)
    return labels


def test_pairs_show_the_same_places_in_two_modalities(root: Path) -> None:
    alone = list(dataset(root, slices_per_case=4).slices())
    pairs = list(dataset(root, slices_per_case=4, modality="t2").paired(T1_FLAIR).slices())
    sources = list(dataset(root, slices_per_case=4, modality="t1").slices())
    assert len(pairs) == 16
    for target, pair, source in zip(alone, pairs, sources, strict=True):
        assert (pair.patient, pair.index, pair.split) == (target.patient, target.index, target.split)
        assert pair.source.endswith("_flair.nii.gz")
        assert np.array_equal(pair.pixels, target.pixels)
        assert np.array_equal(pair.counterpart, source.pixels)
        assert np.array_equal(pair.labels == 1, pair.pixels > 0)


def test_parts_of_the_tumour_are_labels_beside_the_brain(root: Path) -> None:
    labels = add_labels(root)
    with_labels, without, *_ = dataset(root, slices_per_case=None).paired(T1_FLAIR).items()
    pairs = list(dataset(root, slices_per_case=None).paired(T1_FLAIR).read(with_labels))
    for pair in pairs:
        shown = pair.labels[108:148, 108:148]
        segmented = labels[:, :, pair.index].T
        # In the files necrosis is 1, oedema 2, enhancing 4; here brain is 1, and they are 2, 3 and 4.
        assert np.array_equal(shown == 2, segmented == 1)
        assert np.array_equal(shown == 4, segmented == 4)
        assert np.array_equal(shown > 0, (segmented > 0) | (brain(1)[:, :, pair.index].T > 0))
        assert (pair.labels > 0).sum() == (shown > 0).sum()
    assert any((pair.labels == 4).any() for pair in pairs)
    assert set(np.unique(next(dataset(root).read(without)).labels)) == {0, 1}


def test_regions_are_unions_of_labels(root: Path, tmp_path: Path) -> None:
    add_labels(root)
    images = prepare(dataset(root).paired(T1_FLAIR), "brats2018", [256], tmp_path / "cache")[256]
    assert np.array_equal(images.regions["brain"], images.labels > 0)
    assert np.array_equal(images.regions["tumour"], images.labels > 1)
    assert images.regions["tumour"].any()
    shown = images.table["labels"]
    assert set(shown) == {"brain", "brain;necrosis", "brain;necrosis;enhancing"}
    alone = prepare(dataset(root), "brats2018", [256], tmp_path / "cache")[256]
    assert np.array_equal(alone.labels, images.labels)


@pytest.mark.parametrize("kind", ["t1", "seg"])
def test_volumes_of_different_sizes_are_refused(root: Path, kind: str) -> None:
    path = f"HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_{kind}.nii.gz"
    save(root / path, brain(1, (40, 40, 50)))
    with pytest.raises(DataError, match=rf"_{kind}\.nii\.gz has the shape \(40, 40, 50\)"):
        list(dataset(root).paired(T1_FLAIR).slices())


def test_a_pair_s_fingerprint_is_of_all_its_files(root: Path) -> None:
    prints = {dataset(root).fingerprint()}
    paired = [dataset(root).paired(pair) for pair in (T1_FLAIR, Pair("flair", "t1"))]
    prints |= {one.fingerprint() for one in paired}
    add_labels(root)
    prints |= {dataset(root).paired(T1_FLAIR).fingerprint()}
    path = root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_t1.nii.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    prints |= {dataset(root).paired(T1_FLAIR).fingerprint()}
    assert len(prints) == 5
    # The modality of the options is not read, so it does not matter.
    assert dataset(root, modality="t2").paired(T1_FLAIR).fingerprint() in prints


def test_a_case_without_the_source_is_named_and_can_be_left_out(root: Path, tmp_path: Path) -> None:
    (root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_t1.nii.gz").unlink()
    pairs = dataset(root, slices_per_case=2).paired(T1_FLAIR)
    with pytest.raises(DataError, match="Brats18_CBICA_AA0_1 has no t1 volume, only flair"):
        prepare(pairs, "brats2018", [32], tmp_path / "cache")
    images = prepare(pairs, "brats2018", [32], tmp_path / "cache", skip_bad=True)[32]
    assert [entry["item"] for entry in images.skipped] == ["Brats18_CBICA_AA0_1"]


def test_a_case_without_the_modality_is_named(root: Path) -> None:
    (root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_flair.nii.gz").unlink()
    with pytest.raises(DataError, match="Brats18_CBICA_AA0_1 has no flair volume, only t1"):
        read(root)
    assert len(read(root, modality="t1")) == 23


def test_no_slice_with_enough_brain_is_an_error(root: Path) -> None:
    with pytest.raises(DataError, match="no slice of which brain covers 90%"):
        read(root, min_brain=0.9)


def test_a_volume_of_zeros_is_named(root: Path) -> None:
    path = root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_flair.nii.gz"
    save(path, np.zeros(SHAPE, np.int16))
    with pytest.raises(DataError, match=r"_flair\.nii\.gz is black"):
        read(root)


def test_grades_are_split_in_proportion_and_patients_not_at_all(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "HGG" / f"Brats18_CBICA_A{number:02d}_1").mkdir(parents=True)
        (
            tmp_path / "HGG" / f"Brats18_CBICA_A{number:02d}_1" / f"Brats18_CBICA_A{number:02d}_1_flair.nii"
        ).touch()
    for number in range(10):
        for scan in (1, 2):
            case = f"Brats18_TCIA_L{number}_{scan}"
            (tmp_path / "LGG" / case).mkdir(parents=True)
            (tmp_path / "LGG" / case / f"{case}_flair.nii").touch()
    splits = dataset(tmp_path)._splits
    assert len(splits) == 30
    assert sum(split == "test" for name, split in splits.items() if "CBICA" in name) == 4
    assert sum(split == "test" for name, split in splits.items() if "TCIA" in name) == 2


@pytest.mark.parametrize(("patients", "held_out"), [(1, 0), (2, 1), (5, 1), (6, 2)])
def test_few_patients_are_enough_for_both_splits(tmp_path: Path, patients: int, held_out: int) -> None:
    for number in range(patients):
        case = f"Brats18_CBICA_A{number:02d}_1"
        (tmp_path / "HGG" / case).mkdir(parents=True)
        (tmp_path / "HGG" / case / f"{case}_flair.nii").touch()
    assert list(dataset(tmp_path)._splits.values()).count("test") == held_out


def test_one_flat_folder_without_grades_and_without_compression(root: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    for path in root.rglob("*.nii.gz"):
        home = flat / path.parent.name
        home.mkdir(parents=True, exist_ok=True)
        (home / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
    assert dataset(flat).items() == dataset(root).items()
    for one, other in zip(dataset(flat).slices(), dataset(root).slices(), strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_two_copies_of_a_case_are_refused(root: Path) -> None:
    shutil.copytree(root / "HGG/Brats18_CBICA_AA0_1", root / "LGG/Brats18_CBICA_AA0_1")
    with pytest.raises(DataError, match="is in two places"):
        dataset(root).items()


def test_another_years_cases_are_told_apart(tmp_path: Path) -> None:
    add_case(tmp_path, "BraTS20_Training_001", 0)
    with pytest.raises(DataError, match="holds BraTS20_Training_001/: BraTS 2020") as caught:
        dataset(tmp_path).items()
    assert caught.value.hint == "--dataset brats2020"


def test_the_fingerprint_is_of_one_modality(root: Path) -> None:
    before = dataset(root).fingerprint(), dataset(root, modality="t1").fingerprint()
    path = root / "HGG/Brats18_CBICA_AA0_1/Brats18_CBICA_AA0_1_t1.nii.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    after = dataset(root).fingerprint(), dataset(root, modality="t1").fingerprint()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_the_real_cases(real_data: Path, tmp_path: Path) -> None:
    data = dataset(real_data / "brats2018")
    images = prepare(data, "brats2018", [64], tmp_path)[64]
    assert len(images) == 6 * 23
    assert images.table["patient"].nunique() == 6
    assert (images.table[["height", "width"]] == 240).all(axis=None)
    counts = [
        len(list(dataset(real_data / "brats2018", slices_per_case=None).read(case)))
        for case in data.items()[:2]
    ]
    assert all(88 <= count <= 105 for count in counts)
    assert (images.images[:, 0, :2] == 0).all()
    pairs = prepare(data.paired(T1_FLAIR), "brats2018", [64], tmp_path)[64]
    assert np.array_equal(pairs.images, images.images)
    assert pairs.source is not None
    assert not np.array_equal(pairs.source, pairs.images)
    assert 0.1 < pairs.regions["brain"].mean() < 0.6
    assert not pairs.regions["tumour"].any()  # there is no segmentation among them
    assert set(images.table["labels"]) == {"brain"}
