"""ACDC: the traps of its files and of its copies, each on a small synthetic patient."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from harness_datasets.acdc import ACDC, ACDCConfig

from harness.api import DataError, Slice
from harness.data.prepare import prepare


def save(path: Path, voxels: np.ndarray, spacing: tuple[float, ...] = (1.5, 1.5, 10.0)) -> None:
    """Write a volume whose affine says 1 mm, as those of ACDC do; the spacing is in pixdim alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nibabel.Nifti1Header()
    header.set_data_dtype(voxels.dtype)
    image = nibabel.Nifti1Image(voxels, None, header)
    image.header.set_zooms((*spacing, 1.0)[: voxels.ndim])
    image.header["srow_x"][0] = image.header["srow_y"][1] = image.header["srow_z"][2] = 1.0
    nibabel.save(image, path)


def volume(seed: int, shape: tuple[int, ...] = (20, 30, 3)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 200, shape).astype(np.int16)


def add_patient(folder: Path, number: int, ed: int = 1, es: int = 9) -> None:
    """One patient in the official layout: two frames with labels, and Info.cfg."""
    name = f"patient{number:03d}"
    home = folder / name
    for frame in (ed, es):
        save(home / f"{name}_frame{frame:02d}.nii.gz", volume(100 * number + frame))
        labels = np.zeros((20, 30, 3), dtype=np.uint8)
        labels[5:9, 5:9, 1:] = 2
        save(home / f"{name}_frame{frame:02d}_gt.nii.gz", labels)
    (home / "Info.cfg").write_text(
        f"ED: {ed}\nES: {es}\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three patients in the official layout."""
    root = tmp_path / "ACDC"
    for number in (4, 5):
        add_patient(root / "database" / "training", number)
    add_patient(root / "database" / "training", 90, ed=4, es=11)
    return root


def dataset(root: Path, **options: Any) -> ACDC:
    return ACDC(root, ACDCConfig(**options))


def read(root: Path, item: str = "patient090", **options: Any) -> list[Slice]:
    return list(dataset(root, **options).read(item))


def keys(data: ACDC) -> list[tuple[str, str, int]]:
    return [
        (piece.patient, piece.source.split("/")[-1].split(".")[0], piece.index) for piece in data.slices()
    ]


def test_frames_count_from_one_and_ed_need_not_be_the_first(root: Path) -> None:
    slices = read(root)
    assert [(piece.source.split("/")[-1], piece.index) for piece in slices] == [
        (f"patient090_frame{frame}.nii.gz", z) for frame in ("04", "11") for z in range(3)
    ]
    assert {piece.source for piece in read(root, frames="ed")} == {slices[0].source}
    assert {piece.source for piece in read(root, frames="es")} == {slices[-1].source}


def test_slices_are_shown_transposed(root: Path) -> None:
    stored = volume(9004)
    shown = read(root)[1].pixels
    assert shown.shape == (30, 20)
    # The brightest stored (x, y) is found at row y and column x.
    x, y = np.argwhere(stored[:, :, 1] == stored[:, :, 1].min())[0]
    assert shown[y, x] == shown.min()


def test_one_hot_pixel_does_not_crush_the_contrast(root: Path) -> None:
    voxels = volume(1).astype(np.float32)
    voxels[0, 0, 0] = 11.6 * 200
    save(root / "database/training/patient090/patient090_frame04.nii.gz", voxels)
    slices = read(root, frames="ed")
    assert slices[0].pixels.max() == 1.0
    assert np.median(np.stack([piece.pixels for piece in slices])) > 0.4


def test_every_stored_type_gives_the_same_picture(root: Path) -> None:
    path = root / "database/training/patient090/patient090_frame04.nii.gz"
    pictures = []
    for dtype in (np.uint8, np.int16, np.float32):
        save(path, volume(3).astype(dtype))
        pictures.append(read(root, frames="ed")[0])
    assert [piece.mode for piece in pictures] == ["uint8", "int16", "float32"]
    assert all(np.array_equal(pictures[0].pixels, piece.pixels) for piece in pictures)


def test_a_field_of_view_is_measured_with_pixdim_and_not_with_the_affine(root: Path) -> None:
    path = root / "database/training/patient090/patient090_frame04.nii.gz"
    save(path, volume(3, (40, 40, 2)), spacing=(2.0, 1.0, 10.0))
    labels = np.zeros((40, 40, 2), np.uint8)
    labels[19:21, 18:22] = 3
    save(path.with_name("patient090_frame04_gt.nii.gz"), labels)
    piece = read(root, frames="ed", field_of_view=30.0)[0]
    pixels = piece.pixels
    assert pixels.shape == (30, 15)
    # Labels are cut alike: a square of 2 x 4 mm in the middle, of which 4 rows and 2 columns remain.
    assert piece.labels.shape == (30, 15)
    assert np.argwhere(piece.labels == 3).tolist() == [[y, x] for y in range(13, 17) for x in (7, 8)]
    assert dataset(root, field_of_view=30.0).square == "stretch"
    assert read(root, frames="ed", field_of_view=30.0)[0].raw_shape == (40, 40)
    padded = read(root, frames="ed", field_of_view=60.0)[0].pixels
    assert padded.shape == (60, 30)
    assert (padded[:10] == 0).all()
    assert (padded[-10:] == 0).all()


def test_only_labelled_slices(root: Path) -> None:
    assert [piece.index for piece in read(root, labelled_only=True)] == [1, 2, 1, 2]
    (root / "database/training/patient090/patient090_frame11_gt.nii.gz").unlink()
    with pytest.raises(DataError, match="patient090 has no labels of frame 11"):
        read(root, labelled_only=True)


def test_labels_of_another_size_are_refused(root: Path) -> None:
    save(root / "database/training/patient090/patient090_frame04_gt.nii.gz", volume(0, (20, 30, 4)))
    with pytest.raises(DataError, match=r"frame04_gt\.nii\.gz has the shape \(20, 30, 4\)"):
        read(root, labelled_only=True)


def test_all_frames_come_from_the_4d_file(root: Path) -> None:
    cine = volume(5, (20, 30, 3, 4))
    save(root / "database/training/patient090/patient090_4d.nii.gz", cine)
    slices = read(root, frames="all")
    assert [piece.index for piece in slices] == list(range(12))
    assert slices[7].pixels[0, 0] == pytest.approx(
        cine[0, 0, 1, 2] / np.percentile(cine[..., 2], 99.5), rel=1e-5
    )
    # ED and ES, frames 4 and 11, have labels; of four frames only the last is one of them.
    assert [piece.labels is not None for piece in slices] == [False] * 9 + [True] * 3
    assert np.array_equal(slices[10].labels, slices[11].labels)
    assert [piece.index for piece in read(root, frames="all", labelled_only=True)] == [10, 11]
    with pytest.raises(DataError, match="patient004 has no 4D file"):
        read(root, "patient004", frames="all")


def test_every_fifth_patient_is_for_testing(root: Path) -> None:
    splits = {piece.patient: piece.split for piece in dataset(root).slices()}
    assert splits == {"patient004": "train", "patient005": "test", "patient090": "test"}


@pytest.mark.parametrize("part", ["database", "database/training"])
def test_the_root_may_be_any_folder_of_the_download(root: Path, part: str) -> None:
    assert keys(dataset(root / part)) == keys(dataset(root))


def test_all_patients_in_one_flat_folder(root: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (root / "database" / "training").rglob("*.*"):
        name = path.name if path.suffix == ".gz" else f"{path.parent.name}.Info.cfg"
        shutil.copy(path, flat / name)
    assert keys(dataset(flat)) == keys(dataset(root))


def test_nnunet_folders_need_no_info(root: Path, tmp_path: Path) -> None:
    nnunet = tmp_path / "nnunet"
    for folder in ("imagesTr", "labelsTr"):
        (nnunet / folder).mkdir(parents=True)
    for path in (root / "database" / "training").rglob("*.nii.gz"):
        stem = path.name.removesuffix(".nii.gz")
        if stem.endswith("_gt"):
            shutil.copy(path, nnunet / "labelsTr" / f"{stem.removesuffix('_gt')}.nii.gz")
        else:
            shutil.copy(path, nnunet / "imagesTr" / f"{stem}_0000.nii.gz")
    data = dataset(nnunet)
    assert [key[0::2] for key in keys(data)] == [key[0::2] for key in keys(dataset(root))]
    assert [piece.index for piece in read(nnunet, labelled_only=True)] == [1, 2, 1, 2]


def test_doubles_within_a_patient_are_dropped(root: Path) -> None:
    home = root / "database/training/patient090"
    before = keys(dataset(root))
    compressed = home / "patient090_frame04.nii.gz"
    (home / "patient090_frame04.nii").write_bytes(gzip.decompress(compressed.read_bytes())[:-1])
    # Some copies hold a folder with a file's name around the file.
    (home / "patient090_frame11.nii").mkdir()
    shutil.copy(
        home / "patient090_frame11.nii.gz", home / "patient090_frame11.nii" / "patient090_frame11.nii.gz"
    )
    (home / "patient090.Info.cfg").write_text((home / "Info.cfg").read_text())
    assert keys(dataset(root)) == before


def test_uncompressed_files_are_read(root: Path) -> None:
    before = [piece.pixels for piece in read(root)]
    for path in root.rglob("*.nii.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert all(np.array_equal(a, b.pixels) for a, b in zip(before, read(root), strict=True))


def test_two_copies_of_a_patient_are_refused(root: Path) -> None:
    shutil.copytree(root / "database/training/patient004", root / "backup/patient004")
    with pytest.raises(DataError, match="is in two places") as caught:
        dataset(root).items()
    assert "backup" in caught.value.found


def test_the_official_test_patients_are_a_part_of_their_own(root: Path) -> None:
    add_patient(root / "database" / "testing", 101)
    add_patient(root / "database" / "testing", 150)
    official = ["patient101", "patient150"]
    assert dataset(root).items() == ["patient004", "patient005", "patient090"]
    assert dataset(root, part="testing").items() == official
    assert {piece.split for piece in dataset(root, part="testing").slices()} == {"test"}
    # Beside them nobody else is held out: every fifth patient of the training set chooses instead.
    splits = {piece.patient: piece.split for piece in dataset(root, part="all").slices()}
    others = {"patient004": "train", "patient005": "val", "patient090": "val"}
    assert splits == others | dict.fromkeys(official, "test")
    with pytest.raises(DataError, match=r"holds patient004/.*\n.*101 to 150, the testing set") as caught:
        dataset(root / "database" / "training", part="all").items()
    assert caught.value.hint == "--set dataset.part=training"
    with pytest.raises(DataError, match="holds patient101/, patient150/") as caught:
        dataset(root / "database" / "testing").items()
    assert (caught.value.needed, caught.value.hint) == (
        "patients 001 to 100, the training set of ACDC",
        "--set dataset.part=testing",
    )


def test_labels_lie_where_their_image_shows_them(root: Path, tmp_path: Path) -> None:
    labels = np.zeros((20, 30, 3), np.uint8)
    labels[2:8, 10:20, 1] = 1
    labels[12:18, 10:20, 1] = 3
    home = root / "database/training/patient090"
    save(home / "patient090_frame04_gt.nii.gz", labels)
    (home / "patient090_frame11_gt.nii.gz").unlink()
    slices = read(root)
    assert np.array_equal(slices[1].labels, labels[:, :, 1].T)
    assert all(piece.labels is None for piece in slices[3:])
    images = prepare(dataset(root), "acdc", [10], tmp_path / "cache")[10]
    mine = images.select(images.patients == "patient090")
    assert mine.label_names == ("rv", "myocardium", "lv")
    assert mine.table["labels"].tolist() == ["", "rv;lv", "", *["unknown"] * 3]
    # Cropped to 20 x 20, then halved: rv in columns 1 to 3, lv in 6 to 8, both in rows 2 to 7,
    # of which half of the first and the last is enough.
    shown = np.zeros((10, 10), np.uint8)
    shown[2:8, 1:4], shown[2:8, 6:9] = 1, 3
    assert mine.labels[1, 0].tolist() == shown.tolist()
    assert (mine.labels[3:] == 255).all()


def test_a_label_that_acdc_has_not_is_named(root: Path) -> None:
    labels = np.zeros((20, 30, 3), np.uint8)
    labels[0, 0, 2] = 4
    save(root / "database/training/patient090/patient090_frame04_gt.nii.gz", labels)
    with pytest.raises(DataError, match=r"frame04_gt\.nii\.gz has the label 4 in slice 2"):
        read(root)


@pytest.mark.parametrize(
    ("info", "found"),
    [(None, "has no Info.cfg"), ("ES: 11\n", "does not tell the ED"), ("ED: x\nES: 1", "the ED")],
)
def test_a_patient_whose_phases_are_unknown_is_named(root: Path, info: str | None, found: str) -> None:
    path = root / "database/training/patient090/Info.cfg"
    if info is None:
        path.unlink()
    else:
        path.write_text(info)
    with pytest.raises(DataError, match=found) as caught:
        read(root)
    assert "patient090" in caught.value.found


def test_a_frame_that_is_not_there_is_named(root: Path) -> None:
    (root / "database/training/patient090/patient090_frame11.nii.gz").unlink()
    with pytest.raises(DataError, match="patient090 has no image of frame 11"):
        read(root)


def test_a_4d_file_where_a_volume_is_meant_is_named(root: Path) -> None:
    save(root / "database/training/patient090/patient090_frame04.nii.gz", volume(1, (8, 8, 3, 2)))
    with pytest.raises(DataError, match=r"frame04\.nii\.gz has the shape \(8, 8, 3, 2\)"):
        read(root)


def test_a_black_volume_is_named(root: Path) -> None:
    save(root / "database/training/patient090/patient090_frame04.nii.gz", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DataError, match="is black"):
        read(root)


def test_a_damaged_patient_can_be_skipped(root: Path, tmp_path: Path) -> None:
    path = root / "database/training/patient004/patient004_frame09.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="patient004_frame09"):
        prepare(dataset(root), "acdc", [16], tmp_path / "cache")
    images = prepare(dataset(root), "acdc", [16], tmp_path / "cache", skip_bad=True)[16]
    assert [entry["item"] for entry in images.skipped] == ["patient004"]
    assert set(images.patients) == {"patient005", "patient090"}


def test_copies_cut_into_hdf5_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "patient001_frame01_slice_1.h5").write_bytes(b"\x89HDF")
    with pytest.raises(DataError, match=r"holds patient001_frame01_slice_1\.h5") as caught:
        dataset(tmp_path).items()
    assert "HDF5" in caught.value.needed


def test_the_fingerprint_covers_what_is_read(root: Path) -> None:
    before, labelled = dataset(root).fingerprint(), dataset(root, labelled_only=True).fingerprint()
    labels = root / "database/training/patient090/patient090_frame04_gt.nii.gz"
    labels.write_bytes(labels.read_bytes() + b"\0")
    assert dataset(root).fingerprint() != before
    assert dataset(root, labelled_only=True).fingerprint() != labelled
    before = dataset(root).fingerprint()
    (root / "database/training/patient090/Info.cfg").write_text("ED: 11\nES: 4\n")
    assert dataset(root).fingerprint() != before


def test_the_real_patients(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "acdc"
    depths = 0
    for path in root.rglob("patient*_frame??.nii.gz"):
        depths += nibabel.load(path).shape[2]
    images = prepare(dataset(root), "acdc", [64], tmp_path)[64]
    assert images.table["patient"].nunique() == 51
    assert len(images) == depths
    # The right ventricle lies to the left in the picture, the left one in its muscle.
    x = {label: np.argwhere(images.labels[:, 0] == label)[:, 2].mean() for label in (1, 2, 3)}
    assert x[1] < x[3]
    assert x[1] < x[2]
    assert images.table.groupby("patient")["source"].nunique().eq(2).all()
    ed = images.table.query("patient == 'patient090'")["source"].iloc[0]
    assert ed.endswith("frame04.nii.gz")
    # patient021, whose maximum is 11.6 times its 99th percentile, is not black.
    assert images.images[images.patients == "patient021"].mean() > 25
    # Frames count from 1: ED, frame 04, is the fourth of the 4D file.
    cine = list(dataset(root, frames="all").read("patient090"))
    first = list(dataset(root, frames="ed").read("patient090"))
    for piece in first:
        np.testing.assert_allclose(piece.pixels, cine[3 * len(first) + piece.index].pixels, atol=1e-4)
