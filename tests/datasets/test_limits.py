"""What is larger than any image is refused before memory is asked for, and can be left out."""

from __future__ import annotations

import gzip
import io
import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from harness_datasets import nifti as nifti_reader
from harness_datasets.covid_ct import CovidCT, CovidCTConfig
from harness_datasets.folder import Folder, FolderConfig
from harness_datasets.medmnist import MedMNIST, MedMNISTConfig
from PIL import Image
from rawfiles import dicom

from harness.api import DataError
from harness.data.prepare import prepare


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Two gigabytes more than this process has: whoever asks for what a header claims, fails."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (2 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def png(path: Path, width: int, height: int) -> None:
    """A black PNG of one bit a pixel, which is small whatever its size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj()
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def refused(root: Path, **options: Any) -> DataError:
    """Why a folder is not prepared; with --skip-bad the sound picture in it is."""
    Image.new("L", (8, 8), 100).save(root / "sound.png")
    with pytest.raises(DataError) as caught:
        prepare(Folder(root, FolderConfig(**options)), "folder", [8], root.parent / "cache", workers=1)
    assert "--skip-bad" in caught.value.hint
    sound = prepare(
        Folder(root, FolderConfig(**options)), "folder", [8], root.parent / "cache", workers=1, skip_bad=True
    )[8]
    assert sound.table["source"].tolist() == ["sound.png"]
    assert len(sound.skipped) == 1
    return caught.value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("width", "height"), [(65000, 1), (1, 65000)])
def test_a_line_is_not_padded_to_gigabytes(root: Path, width: int, height: int) -> None:
    png(root / "line.png", width, height)
    error = refused(root)
    assert f"line.png, slice 0, of {width} x {height} pixels, made square, is 65,000 x 65,000" in error.found
    assert error.needed == "at most 268,435,456 pixels"
    assert "--set dataset.square=crop" in error.hint
    images = prepare(
        Folder(root, FolderConfig(square="stretch")), "folder", [8], root.parent / "c", workers=1
    )
    assert len(images[8]) == 2


def test_a_picture_that_unpacks_to_gigabytes_is_refused(root: Path) -> None:
    png(root / "bomb.png", 60000, 3000)
    assert "exceeds limit" in refused(root).found


def test_an_array_that_claims_596_gibibytes_is_refused(root: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (400_000, 1265, 1265)}
    with (root / "claims.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(400_000))
    assert "claims.npy" in refused(root).found


def test_an_array_of_holes_is_refused(root: Path) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (1100, 1024, 1024)}
    with (root / "holes.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 1100 * 1024 * 1024)
    assert "holds 4,613,734,400 bytes" in refused(root).found


@pytest.mark.parametrize("name", ["holes.png", "holes.nii", "holes.nii.gz"])
def test_a_file_of_holes_is_not_read(root: Path, name: str) -> None:
    with (root / name).open("wb") as file:
        file.truncate(1 << 40)
    assert "holds 1,099,511,627,776 bytes" in refused(root).found


def volume_header(shape: tuple[int, ...]) -> bytes:
    header: Any = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    return bytes(header.binaryblock) + bytes(4)


@pytest.mark.parametrize("name", ["claims.nii", "claims.nii.gz"])
def test_a_volume_that_claims_terabytes_is_refused(root: Path, name: str) -> None:
    content = volume_header((32767, 32767, 32767)) + bytes(1000)
    (root / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    error = refused(root)
    assert "claims" in error.found
    assert "bytes" in error.found


def test_a_volume_that_unpacks_without_end_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti_reader, "FILE_BYTES", 1 << 20)
    packed = gzip.compress(volume_header((8, 8, 8)) + bytes(64 << 20))
    (root / "bomb.nii.gz").write_bytes(packed[:-4] + (864).to_bytes(4, "little"))  # and lies about it
    error = refused(root)
    assert "bomb.nii.gz" in error.found


@pytest.mark.parametrize("claim", [{"NumberOfFrames": 100_000}, {"Rows": 65535, "Columns": 65535}])
def test_dicom_that_claims_gigabytes_is_refused(root: Path, claim: dict[str, int]) -> None:
    dicom(root / "claims.dcm", np.zeros((512, 512), "<i2"), WindowCenter=0, WindowWidth=10, **claim)
    error = refused(root)
    assert "claims.dcm holds" in error.found
    assert error.needed == "at most 4,294,967,296"


def test_a_deflated_dicom_file_may_not_unpack_without_end(root: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    dicom(root / "deflated.dcm", np.full((64, 64), 7, "<i2"), WindowCenter=0, WindowWidth=10)
    file = pydicom.dcmread(root / "deflated.dcm")
    file.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    file.save_as(root / "deflated.dcm")
    assert len(list(Folder(root, FolderConfig()).slices())) == 1
    with (root / "deflated.dcm").open("ab") as content:
        content.truncate(8 << 20)
    assert "deflated" in refused(root).found


def test_pipes_and_devices_are_left_out(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(root / "dataset.json")
    Image.new("L", (8, 8), 100).save(root / "sound.png")
    data = Folder(root, FolderConfig())
    assert [piece.source for piece in data.slices()] == ["sound.png"]
    assert set(data.left_out()) == {"pipe.png", "zero.png", "dataset.json"}


def test_a_pipe_called_dataset_json_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "dataset.json")
    (root / "a.nii").write_bytes(volume_header((4, 4, 4, 2)) + bytes(128))
    with pytest.raises(DataError, match="holds 2 volumes"):
        list(Folder(root, FolderConfig()).slices())


def test_a_table_of_holes_is_not_read(root: Path) -> None:
    Image.new("L", (8, 8), 100).save(root / "a.png")
    with (root / "patients.csv").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataError, match=r"patients\.csv holds 1,099,511,627,776 bytes"):
        Folder(root, FolderConfig()).items()


def test_a_member_of_an_archive_may_not_unpack_to_gigabytes(tmp_path: Path) -> None:
    sound = io.BytesIO()
    Image.new("L", (8, 8), 100).save(sound, "png")
    path = tmp_path / "CT_NonCOVID.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("CT_NonCOVID/1.png", sound.getvalue())
        archive.writestr("CT_NonCOVID/2.png", sound.getvalue())
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")  # of the second member
    content[at + 24 : at + 28] = (0xFFFFFFFE).to_bytes(4, "little")
    path.write_bytes(content)
    data = CovidCT(tmp_path, CovidCTConfig())
    with pytest.raises(DataError, match=r"2\.png in .*, unpacked, holds 4,294,967,294 bytes"):
        list(data.read("2.png"))


def test_an_npz_file_holds_what_its_headers_claim(tmp_path: Path) -> None:
    path = tmp_path / "pathmnist.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for split in ("train", "val", "test"):
            with archive.open(f"{split}_images.npy", "w") as file:
                shape = (10**15, 28, 28) if split == "train" else (2, 28, 28)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(bytes(2 * 28 * 28))
    with pytest.raises(DataError, match=r"pathmnist\.npz has no readable array train_images"):
        MedMNIST(path, MedMNISTConfig()).items()
