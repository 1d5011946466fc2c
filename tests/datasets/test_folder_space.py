"""Axes of arrays and volumes, planes, square pixels and one physical size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from PIL import Image
from rawfiles import dicom, nifti

from harness.api import DataError, Slice


def read(root: Path, **options: Any) -> list[Slice]:
    return list(Folder(root, FolderConfig(**options)).slices())


def extent(piece: Slice) -> tuple[int, int]:
    """Rows and columns of what is brighter than half."""
    rows, columns = np.nonzero(piece.pixels > 0.5)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


DISC = (np.hypot(*(np.mgrid[:64, :64] - 32)) < 24).astype(np.uint8)


@pytest.mark.parametrize(
    "shape",
    [(64, 60, 3), (64, 60, 4), (2, 64, 60, 3), (2, 3, 64, 60), (2, 64, 60, 1), (1, 64, 60), (64, 60, 1)],
)
def test_channels_are_no_slices(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "fundus.npy", np.full(shape, 200, np.uint8))
    pieces = read(tmp_path)
    assert [piece.pixels.shape for piece in pieces] == [(64, 60)] * (2 if shape[0] == 2 else 1)
    opaque = 200 / 255 * (200 / 255 if shape[-1] == 4 else 1)
    assert float(pieces[0].pixels[0, 0]) == pytest.approx(opaque, abs=1 / 255)


def test_a_picture_in_colour_is_one_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "fundus.npy", np.stack([DISC * v for v in (220, 90, 40)], -1))
    (piece,) = read(tmp_path)
    assert piece.pixels.shape == (64, 64, 3)
    (piece,) = read(tmp_path, colour="grey")
    assert np.rint(piece.pixels * 255)[[0, 32], [0, 32]].tolist() == [
        0,
        123,
    ]  # 0.299 220 + 0.587 90 + 0.114 40


@pytest.mark.parametrize("shape", [(3, 64, 60), (4, 64, 60), (64, 64, 24), (8, 3, 64, 3), (24, 64, 60, 5)])
def test_axes_that_nobody_can_tell_are_asked_for(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=r"a\.npy has the shape") as caught:
        read(tmp_path)
    assert "--set dataset.axes=" in caught.value.hint


@pytest.mark.parametrize(
    ("axes", "shape", "count"), [("NHW", (3, 6, 5), 3), ("CHW", (3, 6, 5), 1), ("HWN", (6, 5, 4), 4)]
)
def test_axes_may_be_named(tmp_path: Path, axes: str, shape: tuple[int, ...], count: int) -> None:
    values = np.zeros(shape, np.uint8)
    values[(0, 0, 1) if axes != "HWN" else (0, 1, 0)] = 255
    np.save(tmp_path / "a.npy", values)
    pieces = read(tmp_path, axes=axes)
    assert [piece.pixels.shape[:2] for piece in pieces] == [(6, 5)] * count
    assert float(pieces[0].pixels[0, 1].max()) == 1.0


def ball(shape: tuple[int, int, int], size: tuple[float, float, float], radius: float = 24.0) -> np.ndarray:
    """A ball in the middle of a volume whose voxels have this size in mm."""
    axes = np.meshgrid(*[(np.arange(n) - n / 2) * s for n, s in zip(shape, size, strict=True)], indexing="ij")
    return (sum(axis**2 for axis in axes) < radius**2).astype(np.int16) * 500


SAGITTAL = np.array([[0, 0, 4.0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("plane", [None, "axial", "coronal", "sagittal"])
def test_a_ball_is_round_in_every_plane(tmp_path: Path, plane: str | None) -> None:
    nifti(tmp_path / "knee.nii.gz", ball((64, 64, 24), (1, 1, 4)), SAGITTAL)
    pieces = read(tmp_path, plane=plane, low=0, high=500)
    rows, columns = extent(pieces[len(pieces) // 2])
    assert rows == pytest.approx(columns, abs=4)
    assert rows == pytest.approx(48, abs=4)
    assert len(pieces) == (24 if plane == "sagittal" else 64)


def test_planes_are_turned_as_a_radiologist_sees_them(tmp_path: Path) -> None:
    voxels = np.zeros((6, 5, 4), np.float32)
    voxels[0, 0, 3] = 1.0  # of an LPS volume: at the patient's right, in front, on top
    nifti(tmp_path / "a.nii", voxels)
    corners = {
        plane: [
            (index, *np.argwhere(piece.pixels == 1)[0].tolist())
            for index, piece in enumerate(read(tmp_path, plane=plane, low=0, high=1))
            if piece.pixels.max() == 1
        ]
        for plane in ("axial", "coronal", "sagittal")
    }
    # Each time that is the upper left corner: right on the left, in front or on top above, and in front left.
    assert corners == {"axial": [(3, 0, 0)], "coronal": [(0, 0, 0)], "sagittal": [(0, 0, 0)]}


def test_pixels_that_are_square_stay_untouched(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).random((16, 12, 3)).astype(np.float32)
    nifti(tmp_path / "a.nii", voxels, np.diag([-1.25, -1.25001, 8, 1]))
    np.testing.assert_array_equal(read(tmp_path, low=0, high=1)[1].pixels, voxels[:, :, 1].T)


def test_one_physical_size_for_patients_of_different_pixels(tmp_path: Path) -> None:
    for name, size in (("a", 1.0), ("b", 2.0), ("c", 0.75)):
        count = round(72 / size)
        nifti(
            tmp_path / f"{name}.nii", ball((count, count, 3), (size, size, 5)), np.diag([-size, -size, 5, 1])
        )
    nifti(tmp_path / "d.nii", ball((100, 60, 3), (1, 1, 5)), np.diag([-1, -1, 5, 1]))
    pieces = [piece for piece in read(tmp_path, spacing=1.5, low=0, high=500) if piece.index == 1]
    # A ball of 48 mm; the largest volume has 100 x 72 mm.
    assert {piece.pixels.shape for piece in pieces} == {(48, 67)}
    for piece in pieces:
        assert extent(piece) == pytest.approx((32, 32), abs=2)


def test_dicom_pixels_become_square_by_their_spacing_or_their_ratio(tmp_path: Path) -> None:
    stored = np.zeros((64, 32), "<i2")
    stored[16:48, 8:24] = 100
    dicom(tmp_path / "a.dcm", stored, PixelSpacing=[1, 2])
    dicom(tmp_path / "b.dcm", stored, PixelAspectRatio=[1, 2], PatientID="P2")
    pieces = read(tmp_path, low=0, high=100)
    assert [piece.pixels.shape for piece in pieces] == [(64, 64)] * 2
    assert [extent(piece) for piece in pieces] == [(32, 32)] * 2
    with pytest.raises(DataError, match=r"b\.dcm does not say how large its pixels are"):
        read(tmp_path, spacing=1)


def test_a_picture_has_no_physical_size(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png does not say how large its pixels are"):
        read(tmp_path, spacing=1)


def test_dicom_of_another_plane_is_left_out_on_request(tmp_path: Path) -> None:
    for name, directions in (("axial", [1, 0, 0, 0, 1, 0]), ("scout", [1, 0, 0, 0, 0, -1])):
        dicom(tmp_path / f"{name}.dcm", np.eye(8, dtype="<i2"), ImageOrientationPatient=directions)
    assert len(read(tmp_path)) == 2
    data = Folder(tmp_path, FolderConfig(plane="axial"))
    assert [piece.source for piece in data.slices()] == ["axial.dcm"]
    assert data.left_out() == {"scout.dcm": "shows the coronal plane"}


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """A volume with four modalities, as the Medical Segmentation Decathlon has them, and its labels."""
    voxels = ball((16, 16, 6), (1, 1, 1), 6.0) // 500
    several = np.stack([voxels * 100 * number for number in (1, 2, 3, 4)], -1).astype(np.int16)
    nifti(tmp_path / "imagesTr" / "BRATS_001.nii.gz", several)
    nifti(tmp_path / "labelsTr" / "BRATS_001.nii.gz", voxels.astype(np.uint8))
    return tmp_path


def test_a_4d_file_asks_which_volume(four: Path) -> None:
    with pytest.raises(DataError, match=r"BRATS_001\.nii\.gz holds 4 volumes, numbers 0 to 3") as caught:
        read(four)
    assert "--set dataset.volume=0" in caught.value.hint
    with pytest.raises(DataError, match="holds 4 volumes"):
        read(four, volume=4)


def test_a_volume_of_a_4d_file_is_named_by_number_or_by_the_sets_own_list(four: Path) -> None:
    pieces = read(four, volume=2, low=0, high=400)
    assert len(pieces) == 6
    middle = pieces[3]
    assert (middle.patient, float(middle.pixels.max())) == ("BRATS_001", 0.75)
    (four / "dataset.json").write_text(
        json.dumps({"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}})
    )
    assert float(read(four, volume="t1w", low=0, high=400)[3].pixels.max()) == 0.5
    with pytest.raises(DataError, match="0 FLAIR, 1 T1w"):
        read(four, volume="ADC")


def test_all_volumes_of_a_film_are_slices_of_one_scale(four: Path) -> None:
    pieces = read(four, volume="all", low=0, high=400)
    assert [piece.index for piece in pieces] == list(range(24))
    assert [float(pieces[6 * time + 3].pixels.max()) for time in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_further_axes_of_one_are_none(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", ball((8, 8, 4), (1, 1, 1), 3.0)[..., None, None])
    assert len(read(tmp_path, low=0, high=500)) == 4
