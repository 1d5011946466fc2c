"""Nothing disappears uncounted: links, names, masks, modalities, formats, NaN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_datasets.folder import Folder, FolderConfig
from harness_datasets.names import is_mask, modality_of
from PIL import Image
from rawfiles import dicom, nifti
from typer.testing import CliRunner

from harness.api import DataError
from harness.cli import app
from harness.data.prepare import prepare


def folder(root: Path, **options: Any) -> Folder:
    return Folder(root, FolderConfig(**options))


def sources(root: Path, **options: Any) -> list[str]:
    return sorted({piece.source for piece in folder(root, **options).slices()})


def picture(path: Path, grey: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (10, 8), grey).save(path)


BALL = np.zeros((16, 16, 6), np.int16)
BALL[4:12, 4:12] = 100


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "data" / f"{number}.png")
        picture(tmp_path / "elsewhere" / f"{number}.png")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "9.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    assert len(sources(tmp_path / "data")) == 7


def test_links_that_lead_back_are_counted_and_not_followed(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "a" / "1.png")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data" / "a")
    (tmp_path / "data" / "broken").symlink_to(tmp_path / "nowhere")
    assert sources(tmp_path / "data") == ["a/1.png"]
    reasons = folder(tmp_path / "data").left_out()
    assert set(reasons) == {"loop", "a/up", "again", "broken"}
    assert reasons["broken"] == "a link that leads nowhere"


def test_two_links_to_one_folder_are_read_once(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "0.png")
    picture(tmp_path / "elsewhere" / "1.png")
    for name in ("first", "second"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    assert sources(tmp_path / "data") == ["0.png", "first/1.png"]
    assert list(folder(tmp_path / "data").left_out()) == ["second"]


def test_a_name_that_is_not_utf8_is_read_and_prepared(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "0.png")
    picture(root / "x" / "1.png")
    os.rename(os.fsencode(root / "0.png"), os.fsencode(root) + b"/M\xfcller_0.png")
    os.rename(os.fsencode(root / "x"), os.fsencode(root) + b"/\xe4")
    assert sources(root) == ["Müller_0.png", "ä/1.png"]
    images = prepare(folder(root), "folder", [8], tmp_path / "cache")[8]
    assert sorted(images.table["source"]) == ["Müller_0.png", "ä/1.png"]
    (root / "patients.csv").write_text("file,patient\nMüller_0.png,A\nä/1.png,B\n", encoding="utf-8")
    assert {piece.patient for piece in folder(root).slices()} == {"A", "B"}


def test_a_damaged_file_of_such_a_name_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    os.rename(os.fsencode(tmp_path / "0.png"), os.fsencode(tmp_path) + b"/M\xfcller.png")
    with pytest.raises(DataError, match=r"Müller\.png can't be decoded") as caught:
        sources(tmp_path)
    str(caught.value).encode()


def test_every_format_is_read_or_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for ending in ("png", "bmp", "pgm", "gif", "jpg", "webp", "tif", "jp2"):
        Image.fromarray(rng.integers(0, 255, (8, 10), dtype=np.uint8)).save(tmp_path / f"a.{ending}")
    (tmp_path / "v.mha").write_bytes(b"ObjectType = Image\n")
    (tmp_path / "s.npz").write_bytes(b"PK")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "pictures.zip").write_bytes(b"PK")
    (tmp_path / "IM-0001-0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 50)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    dicom(tmp_path / "IM-0001-0002", np.eye(8, dtype="<i2"))
    dicom(tmp_path / "1.2.840.113619", np.eye(8, dtype="<i2"))
    (tmp_path / "scan").write_bytes((tmp_path / "a.png").read_bytes())
    data = folder(tmp_path)
    used = {piece.source for piece in data.slices()}
    assert len(used) == 11
    reasons = data.left_out()
    assert set(reasons) == {"v.mha", "s.npz", "notes.txt", "pictures.zip", "IM-0001-0001", ".DS_Store"}
    assert reasons["v.mha"].endswith("convert it to NIfTI")
    assert len(used) + len(reasons) == len(list(tmp_path.iterdir()))


def test_dicom_files_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    dicom(tmp_path / "a.dcm", np.eye(8, dtype="<i2"))
    dicom(tmp_path / "object.dcm", np.eye(8, dtype="<i2"), KIND=pydicom.uid.SegmentationStorage)
    dicom(tmp_path / "report.dcm", b"", KIND=pydicom.uid.BasicTextSRStorage)
    file = pydicom.dcmread(tmp_path / "report.dcm")
    del file.Rows, file.Columns, file.PixelData
    file.save_as(tmp_path / "report.dcm")
    data = folder(tmp_path)
    assert [piece.source for piece in data.slices()] == ["a.dcm"]
    assert data.left_out() == {
        "object.dcm": "a mask: a DICOM segmentation",
        "report.dcm": "a DICOM file without pixels",
    }


def test_dicom_of_another_modality_is_left_out(tmp_path: Path) -> None:
    for name, modality in (("a", "CT"), ("b", "CT"), ("c", "PT")):
        dicom(tmp_path / f"{name}.dcm", np.eye(8, dtype="<i2"), Modality=modality)
    assert sources(tmp_path) == ["a.dcm", "b.dcm"]
    assert sources(tmp_path, modality="PT") == ["c.dcm"]


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    """Three cases in the naming of BraTS 2023."""
    root = tmp_path / "brats"
    for case in range(1, 4):
        name = f"BraTS-GLI-{case:05d}-000"
        for kind in ("t1n", "t1c", "t2w", "t2f", "seg"):
            nifti(root / name / f"{name}-{kind}.nii.gz", BALL)
    return root


def test_one_modality_and_no_mask(brats: Path) -> None:
    data = folder(brats)
    pieces = list(data.slices())
    assert {piece.source.rpartition("-")[2] for piece in pieces} == {"t1c.nii.gz"}
    assert {piece.patient for piece in pieces} == {f"BraTS-GLI-{case:05d}" for case in range(1, 4)}
    reasons = list(data.left_out().values())
    assert reasons.count("a mask, by its name") == 3
    assert len(reasons) == 12
    assert any("modality is t1c" in note and "t2f" in note for note in data.notes())
    assert {piece.source[-10:] for piece in folder(brats, modality="t2f").slices()} == {"t2f.nii.gz"}
    with pytest.raises(DataError, match="modality dwi") as caught:
        sources(brats, modality="dwi")
    assert "t1c" in caught.value.needed


def test_globs_choose_files(brats: Path) -> None:
    assert sources(brats, include="*-t2w.nii.gz", exclude="*00002*") == [
        f"BraTS-GLI-0000{case}-000/BraTS-GLI-0000{case}-000-t2w.nii.gz" for case in (1, 3)
    ]
    assert len(sources(brats, include="*-t2w.nii.gz, *-t2f.nii.gz", modality="t2f")) == 3
    with pytest.raises(DataError, match=r"does not match include=\*\.png"):
        sources(brats, include="*.png")


def test_masks_are_images_on_request(brats: Path) -> None:
    assert len(sources(brats, include="*-seg.nii.gz", masks=True)) == 3


@pytest.mark.parametrize(
    "name",
    [
        "a/benign (1)_mask.png", "benign (1)_mask_1.png", "labelsTr/la_003.nii.gz", "masks/1.png", "GT/1.png",
        "patient001_frame01_gt.nii.gz", "sub-01_dseg.nii.gz", "x-seg.nii", "train_masks/1.png", "seg_1.png",
        "sub-01_label-GM_probseg.nii.gz", "segmentation.nii", "groundtruth/1.png", "Ground_Truth/1.png",
        "SegmentationClass/1.png", "1st_manual/21_manual1.gif", "masks_png/1.png", "gt_images/1.png", "a.mask.png",
    ],
)  # fmt: skip
def test_masks_are_known_by_their_usual_names(name: str) -> None:
    assert is_mask(name)


@pytest.mark.parametrize(
    "name",
    ["segmentation_data/images/1.png", "sub-01_T1w.nii.gz", "TCGA-GT-1234_01.png", "masked.png", "a.png"],
)
def test_other_names_are_no_masks(name: str) -> None:
    assert not is_mask(name)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", "t1w"), ("IXI002-Guys-0828-T2.nii.gz", "t2"), ("P1/FLAIR/1.png", "flair"),
        ("imagesTr/case_0003.nii.gz", "0003"), ("IM-0001-0003.png", ""), ("x_t2_flair.nii", "t2flair"),
        ("images/001.png", ""),
    ],
)  # fmt: skip
def test_modalities_are_known_by_their_usual_names(name: str, modality: str) -> None:
    assert modality_of(name) == modality


def test_channels_of_nnunet_are_modalities(tmp_path: Path) -> None:
    for case in ("la_001", "la_002"):
        for channel in range(2):
            nifti(tmp_path / "imagesTr" / f"{case}_{channel:04d}.nii.gz", BALL)
    assert sources(tmp_path) == ["imagesTr/la_001_0000.nii.gz", "imagesTr/la_002_0000.nii.gz"]
    assert sources(tmp_path, modality=1) == ["imagesTr/la_001_0001.nii.gz", "imagesTr/la_002_0001.nii.gz"]


def test_an_unpacked_copy_is_not_read_twice(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", BALL)
    nifti(tmp_path / "a.nii.gz", BALL)
    data = folder(tmp_path)
    assert {piece.source for piece in data.slices()} == {"a.nii.gz"}
    assert list(data.left_out()) == ["a.nii"]


def test_nan_is_background_and_counts_for_no_percentile(tmp_path: Path) -> None:
    voxels = np.full((16, 16, 6), np.nan, np.float32)
    voxels[4:12, 4:12] = 300 + np.arange(8)[:, None, None]
    nifti(tmp_path / "sub-01_brain.nii.gz", voxels)
    pieces = list(folder(tmp_path).slices())
    assert all(np.isfinite(piece.pixels).all() for piece in pieces)
    assert float(pieces[0].pixels[0, 0]) == 0.0
    assert float(pieces[0].pixels[5, 4:12].max()) == 1.0
    assert len(np.unique(np.rint(pieces[0].pixels[5, 4:12] * 255))) > 6
    (piece, *_) = folder(tmp_path, low=-1000, high=1000).slices()
    assert float(piece.pixels[0, 0]) == 0.0


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_no_background_and_another_copy_would_not_help(tmp_path: Path, value: float) -> None:
    voxels = BALL.astype(np.float32)
    voxels[0, 0, 0] = value
    nifti(tmp_path / "a.nii", voxels)
    with pytest.raises(DataError, match=r"a\.nii holds NaN or infinity") as caught:
        sources(tmp_path)
    assert "again" not in caught.value.hint


def test_a_volume_of_nothing_says_so(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", np.full((4, 4, 4), np.nan, np.float32))
    with pytest.raises(DataError, match=r"a\.nii shows nothing"):
        sources(tmp_path)


def test_hints_to_skip_only_where_something_is_damaged(tmp_path: Path) -> None:
    nifti(tmp_path / "a" / "a.nii", np.zeros((4, 4, 4, 2), np.int16))
    with pytest.raises(DataError) as caught:
        prepare(folder(tmp_path / "a"), "folder", [8], tmp_path / "cache")
    assert "skip-bad" not in str(caught.value)
    picture(tmp_path / "b" / "1.png")
    content = (tmp_path / "b" / "1.png").read_bytes()
    (tmp_path / "b" / "1.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="get this file again") as caught:
        prepare(folder(tmp_path / "b"), "folder", [8], tmp_path / "cache")
    assert "--skip-bad" in caught.value.hint


def test_data_info_accounts_for_every_file(brats: Path, tmp_path: Path) -> None:
    (brats / "notes.txt").write_text("x")
    result = CliRunner().invoke(
        app,
        ["data", "info", "--dataset", "folder", "--data-root", str(brats), "--res", "8", "--files",
         str(tmp_path / "files.csv"), "--sheet", str(tmp_path / "sheet.png"), "--cache", str(tmp_path / "cache")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "files used: 3, left out: 13" in result.output
    assert "3 a mask, by its name: BraTS-GLI-00001-000/BraTS-GLI-00001-000-seg.nii.gz" in result.output
    assert "1 not an image: notes.txt" in result.output
    uses = pd.read_csv(tmp_path / "files.csv").set_index("file")["use"]
    assert len(uses) == 16
    assert (uses == "used").sum() == 3


def test_a_damaged_file_of_a_group_names_the_others_that_go_with_it(tmp_path: Path) -> None:
    for visit in (1, 2, 3):
        nifti(tmp_path / "sub-01" / f"sub-01_ses-{visit}_T1w.nii.gz", BALL)
    path = tmp_path / "sub-01" / "sub-01_ses-2_T1w.nii.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"ses-2.*and 2 other files"):
        sources(tmp_path)
