"""Any folder of images: formats, patients, tables, and files that are refused."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from PIL import Image

from harness.api import DataError, Slice
from harness.data.prepare import prepare

RAMP = np.linspace(0, 1, 12).reshape(3, 4)


def read(root: Path, **options: Any) -> list[Slice]:
    return list(Folder(root, FolderConfig(**options)).slices())


@pytest.mark.parametrize(
    ("name", "dtype", "white"),
    [
        ("a.png", np.uint8, 255),
        ("a.tif", np.uint8, 255),
        ("a.png", np.uint16, 65535),
        ("a.TIFF", np.uint16, 65535),
    ],
)
def test_full_scale_of_each_depth_is_white(tmp_path: Path, name: str, dtype: type, white: int) -> None:
    Image.fromarray((RAMP * white).round().astype(dtype)).save(tmp_path / name)
    (piece,) = read(tmp_path)
    np.testing.assert_allclose(piece.pixels, RAMP, atol=0.6 / white)


def test_all_pages_of_a_tiff_are_read(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 3), grey) for grey in (0, 51, 255)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert [(piece.index, float(piece.pixels[0, 0])) for piece in read(tmp_path)] == [
        (0, 0.0),
        (1, pytest.approx(0.2)),
        (2, 1.0),
    ]


@pytest.mark.parametrize(
    ("array", "count"),
    [((RAMP * 255).round().astype(np.uint8), 1), (RAMP.astype(np.float32), 1), (np.stack([RAMP] * 5), 5)],
)
def test_arrays(tmp_path: Path, array: np.ndarray, count: int) -> None:
    np.save(tmp_path / "a.npy", array)
    pieces = read(tmp_path)
    assert [piece.index for piece in pieces] == list(range(count))
    np.testing.assert_allclose(pieces[-1].pixels, RAMP, atol=0.6 / 255)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (RAMP * 255, "floats from 0 to 255"),
        (RAMP * np.nan, "floats from nan"),
        (RAMP.astype(np.int32), "int32"),
        (RAMP.ravel(), r"shape \(12,\)"),
        (np.array([{}]), "damaged"),
    ],
)
def test_arrays_whose_range_nobody_knows_are_refused(tmp_path: Path, array: np.ndarray, found: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=found) as caught:
        read(tmp_path)
    assert "a.npy" in caught.value.found


def test_an_archive_of_arrays_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", RAMP)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"a\.npy is damaged, or no npy file"):
        read(tmp_path)


@pytest.mark.parametrize("axes", [("L", "P", "S"), ("R", "A", "S"), ("P", "S", "R")])
def test_a_volume_is_turned_as_a_radiologist_sees_it(tmp_path: Path, axes: tuple[str, ...]) -> None:
    # One bright voxel at the patient's right, in front, in the second slice from below.
    lps = np.zeros((6, 5, 4), dtype=np.float32)
    lps[0, 0, 1] = 1.0
    lps[1, 1, 1] = 0.5
    orientation = nibabel.orientations
    turn = orientation.ornt_transform(orientation.axcodes2ornt("LPS"), orientation.axcodes2ornt(axes))
    stored = orientation.apply_orientation(lps, turn)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ orientation.inv_ornt_aff(turn, lps.shape)
    assert nibabel.aff2axcodes(affine) == axes
    nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "a.nii.gz")
    pieces = read(tmp_path, low=0.0, high=1.0)
    assert [piece.pixels.shape for piece in pieces] == [(5, 6)] * 4
    # In the picture that is the upper left corner.
    assert [float(piece.pixels[0, 0]) for piece in pieces] == [0.0, 1.0, 0.0, 0.0]


def test_a_volume_is_scaled_by_percentiles_or_by_given_values(tmp_path: Path) -> None:
    voxels = np.linspace(-1000, 1000, 8 * 8 * 8).reshape(8, 8, 8).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, None), tmp_path / "a.nii")
    by_window = np.stack([piece.pixels for piece in read(tmp_path, low=-1000, high=0)])
    assert (by_window == 1).mean() == pytest.approx(0.5, abs=0.01)
    by_percentile = np.stack([piece.pixels for piece in read(tmp_path)])
    assert (by_percentile == 1).mean() == pytest.approx(0.005, abs=0.003)
    with pytest.raises(DataError, match="no contrast between 5 and 5"):
        read(tmp_path, low=5, high=5)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six small images in two folders."""
    root = tmp_path / "mine"
    for number in range(6):
        folder = root / ("a" if number < 3 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * number).save(folder / f"{number % 3}.png")
    return root


def test_without_a_table_every_file_is_a_patient(pictures: Path) -> None:
    assert [piece.patient for piece in read(pictures)] == ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"]


def test_a_table_names_patients_and_splits(pictures: Path) -> None:
    rows = [
        "file,patient,split",
        "a/0.png,anna,test",
        "a/1.png,anna,",
        "a/2.png,ben,train",
        "b/0.png,anna,test",
    ]
    rows += ["b/1.png,ben,train", "b/2.png,ben,"]
    (pictures / "patients.csv").write_text("\n".join(rows))
    before = Folder(pictures, FolderConfig()).fingerprint()
    assert {(piece.patient, piece.split) for piece in read(pictures)} == {("anna", "test"), ("ben", "train")}
    (pictures / "patients.csv").write_text("\n".join(rows).replace("ben,train", "ben,val"))
    assert Folder(pictures, FolderConfig()).fingerprint() != before


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("file,patient\na/0.png,anna", r"a/1\.png is not in patients\.csv \(5 such files\)"),
        ("file,patient\nc.png,x", "such files"),
        ("name,id\na/0.png,anna", "has the columns 'name', 'id'"),
        ("file,patient,split\na/0.png,anna,holdout", "split 'holdout'"),
        ("file,patient,split\na/0.png,anna,test\na/1.png,anna,train", "patient anna is in test and in train"),
        ("file,patient\na/0.png,anna\na/0.png,ben", r"line 3: a/0\.png again"),
    ],
)
def test_tables_that_do_not_fit_are_refused(pictures: Path, rows: str, found: str) -> None:
    (pictures / "patients.csv").write_text(rows)
    with pytest.raises(DataError, match=found):
        Folder(pictures, FolderConfig()).items()


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(DataError, match=r"holds notes\.txt"):
        read(tmp_path)


def test_a_damaged_picture_can_be_skipped(pictures: Path, tmp_path: Path) -> None:
    (pictures / "a" / "1.png").write_bytes((pictures / "a" / "1.png").read_bytes()[:30])
    images = prepare(Folder(pictures, FolderConfig()), "folder", [8], tmp_path / "cache", skip_bad=True)[8]
    assert [entry["item"] for entry in images.skipped] == ["a/1.png"]
    assert len(images) == 5


def write_dicom(path: Path, stored: np.ndarray, **elements: Any) -> None:
    pydicom = pytest.importorskip("pydicom")
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    file.Rows, file.Columns = stored.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleSlope, file.RescaleIntercept = 2, -1000
    file.WindowCenter, file.WindowWidth = 0, 2001
    file.PatientID = "anna"
    for name, value in elements.items():
        setattr(file, name, value)
    file.PixelData = stored.astype("<i2").tobytes()
    file.save_as(path, enforce_file_format=True)


#: Stored values that are -1000, 0 and 1000 HU after rescaling with slope 2 and intercept -1000.
STORED = np.array([[0, 500, 1000]], dtype=np.int16)


def test_dicom_is_rescaled_and_windowed(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", STORED)
    (piece,) = read(tmp_path)
    # Linear window of PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5), c = 0, w = 2001.
    assert piece.pixels[0].tolist() == pytest.approx([0.00025, 0.50025, 1.0], rel=1e-3)
    assert piece.patient == "anna"


def test_dicom_photometric_interpretation_is_honoured(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", STORED, PhotometricInterpretation="MONOCHROME1")
    assert read(tmp_path)[0].pixels[0].tolist() == pytest.approx([0.99975, 0.49975, 0.0], rel=1e-3)
    assert read(tmp_path, low=-1000, high=0)[0].pixels[0].tolist() == [1.0, 0.0, 0.0]


def test_dicom_windows_may_be_several_exact_or_sigmoid(tmp_path: Path) -> None:
    write_dicom(
        tmp_path / "a.dcm",
        STORED,
        WindowCenter=[-500, 0],
        WindowWidth=[1000, 2000],
        VOILUTFunction="LINEAR_EXACT",
    )
    assert read(tmp_path)[0].pixels[0].tolist() == pytest.approx([0.0, 1.0, 1.0])
    write_dicom(tmp_path / "a.dcm", STORED, WindowCenter=0, WindowWidth=1000, VOILUTFunction="SIGMOID")
    assert read(tmp_path)[0].pixels[0].tolist() == pytest.approx(
        [1 / (1 + np.exp(4)), 0.5, 1 / (1 + np.exp(-4))]
    )


def test_given_values_replace_the_window_of_dicom(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", STORED)
    assert read(tmp_path, low=0, high=1000)[0].pixels[0].tolist() == [0.0, 0.0, 1.0]


def test_damaged_dicom_is_named(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", STORED)
    content = (tmp_path / "a.dcm").read_bytes()
    for bad in (content[:-4], content[:200], b"not dicom"):
        (tmp_path / "a.dcm").write_bytes(bad)
        with pytest.raises(DataError, match=r"a\.dcm can't be decoded"):
            read(tmp_path)


def test_without_pydicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    (tmp_path / "a.dcm").write_bytes(b"")
    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(DataError, match="pydicom is not installed") as caught:
        read(tmp_path)
    assert "hagan-bench[dicom]" in caught.value.hint
