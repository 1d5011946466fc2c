"""What belongs together is on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from PIL import Image
from rawfiles import dicom, nifti, sequence, tiff

from harness import spreading
from harness.api import DataError
from harness.data.prepare import prepare


def folder(root: Path, **options: Any) -> Folder:
    return Folder(root, FolderConfig(**options))


def grey_at(root: Path, place: tuple[int, int], **options: Any) -> list[int]:
    """The grey of one place in each image."""
    return [round(float(piece.pixels[place]) * 255) for piece in folder(root, **options).slices()]


def series(root: Path, count: int = 3, **elements: Any) -> None:
    """A CT series without a window, 40 HU of tissue, metal in the last slice."""
    y, x = np.mgrid[:64, :64] - 32
    for number in range(count):
        hu = np.where(y**2 + x**2 < 31**2, -1000, -2000)
        hu[14:50, 14:50], hu[20:30, 20:30] = 40, 700
        if number == count - 1:
            hu[40:46, 40:46] = 3000
        dicom(
            root / f"{number}.dcm", hu.astype("<i2"), InstanceNumber=number + 1, RescaleSlope=1,
            RescaleIntercept=0, PixelPaddingValue=-2000, **elements,
        )  # fmt: skip


def test_a_series_without_a_window_shares_its_percentiles(tmp_path: Path) -> None:
    series(tmp_path)
    tissue = grey_at(tmp_path, (16, 16))
    assert len(set(tissue)) == 1
    assert 0 < tissue[0] < 255
    assert grey_at(tmp_path, (0, 0)) == [0, 0, 0]


def test_two_series_of_one_patient_in_one_unit_share_too(tmp_path: Path) -> None:
    series(tmp_path / "P1", SeriesInstanceUID="1.2.1")
    for path in sorted((tmp_path / "P1").iterdir()):
        path.rename(path.with_name(f"a{path.name}"))
    series(tmp_path / "P1", count=1, SeriesInstanceUID="1.2.2")
    assert len(set(grey_at(tmp_path, (16, 16)))) == 1


def test_patients_are_scaled_apart(tmp_path: Path) -> None:
    series(tmp_path / "a", PatientID="A")
    dicom(tmp_path / "b" / "0.dcm", np.arange(64, dtype="<i2").reshape(8, 8), PatientID="B")
    values = [piece for piece in folder(tmp_path).slices() if piece.patient == "B"]
    assert float(values[0].pixels.max()) == 1.0


def test_windows_that_differ_from_slice_to_slice_become_one(tmp_path: Path) -> None:
    stored = np.full((8, 8), 40, "<i2")
    for number, width in enumerate((400, 500, 1200)):
        dicom(
            tmp_path / f"{number}.dcm",
            stored,
            WindowCenter=40,
            WindowWidth=width,
            VOILUTFunction="LINEAR_EXACT",
        )
    dicom(tmp_path / "3.dcm", stored)  # and of one slice there is none
    assert grey_at(tmp_path, (0, 0)) == [128] * 4
    stored[:] = 140
    dicom(tmp_path / "1.dcm", stored, WindowCenter=40, WindowWidth=500, VOILUTFunction="LINEAR_EXACT")
    assert grey_at(tmp_path, (0, 0))[1] == round((100 / 500 + 0.5) * 255)


def test_windows_of_frames_become_one(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    own = [
        sequence(FrameVOILUTSequence=sequence(WindowCenter=40, WindowWidth=width))[0]
        for width in (100, 400, 400)
    ]
    dicom(
        tmp_path / "a.dcm", np.full((3, 8, 8), 90, "<i2"), KIND=pydicom.uid.EnhancedCTImageStorage,
        NumberOfFrames=3, PerFrameFunctionalGroupsSequence=own,
    )  # fmt: skip
    assert len(set(grey_at(tmp_path, (0, 0)))) == 1


def test_volumes_in_a_patients_folder_share_their_percentiles(tmp_path: Path) -> None:
    for visit, bright in (("1", 700), ("2", 3000)):
        voxels = np.zeros((8, 8, 8), np.int16)
        voxels[2:6], voxels[2, 2] = 40, bright
        nifti(tmp_path / "sub-01" / f"sub-01_ses-{visit}_T1w.nii.gz", voxels)
    pieces = list(folder(tmp_path).slices())
    assert {piece.patient for piece in pieces} == {"sub-01"}
    tissue = {round(float(piece.pixels[0, 4]) * 255) for piece in pieces}
    assert len(tissue) == 1


@pytest.mark.parametrize("brightest", [4095, 4096, 5000, 16383, 65535])
@pytest.mark.parametrize("form", ["png", "tif", "npy"])
def test_16_bit_pictures_are_scaled_by_the_brightest_of_the_set(
    tmp_path: Path, form: str, brightest: int
) -> None:
    for name, top in (("a", brightest), ("b", brightest // 2)):
        values = np.array([[0, top // 2, top]], np.uint16)
        path = tmp_path / f"{name}.{form}"
        np.save(path, values) if form == "npy" else Image.fromarray(values).save(path)
    assert grey_at(tmp_path, (0, 2)) == pytest.approx([255, 128], abs=1)
    assert any(f"{brightest} is white" in note for note in folder(tmp_path).notes())
    # The same in processes that read, whatever they read first.
    images = prepare(folder(tmp_path), "folder", [3], tmp_path.parent / f"{tmp_path.name}-cache", workers=2)[
        3
    ]
    assert images.images.max(axis=(1, 2, 3)).tolist() == pytest.approx([255, 128], abs=1)


def test_a_named_window_goes_before_the_sets(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1000, 2000, 3000]], np.uint16)).save(tmp_path / "a.png")
    pixels = next(folder(tmp_path, low=1000, high=3000).slices()).pixels[0]
    assert pixels.tolist() == pytest.approx([0, 0, 0.5, 1])
    pixels = next(folder(tmp_path, high=6000).slices()).pixels[0]
    assert pixels.tolist() == pytest.approx([0, 1 / 6, 1 / 3, 0.5])


def test_white_is_zero_is_inverted_after_scaling(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", np.array([[0, 2048, 4095]], np.uint16), 0)
    assert np.rint(next(folder(tmp_path).slices()).pixels * 255)[0].tolist() == pytest.approx(
        [255, 127, 0], abs=1
    )


def test_a_black_set_of_16_bits_says_so(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="no contrast between 0 and 0"):
        grey_at(tmp_path, (0, 0))


def test_headers_that_several_processes_read_give_the_same_scales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "_start_up", lambda: 0.0)
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(110):  # more than one process gets at once
        dicom(
            raw / f"{number:03d}.dcm",
            np.full((4, 4), number, np.uint16),
            PatientID=f"P{number // 4}",
            WindowCenter=50 + number // 4,
            WindowWidth=100,
        )
    (raw / "damaged").write_bytes(bytes(128) + b"DICM and no more")
    sets = {
        workers: prepare(folder(raw), "folder", [4], tmp_path / str(workers), workers=workers)[4]
        for workers in (1, 3)
    }
    assert len(sets[1]) == 110
    assert sets[1].table.equals(sets[3].table)
    assert np.array_equal(sets[1].images, sets[3].images)
