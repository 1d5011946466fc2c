"""NIfTI files: what is read, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from harness_datasets.nifti import read_volume

from harness.api import DataError

VOXELS = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)


def encoded(voxels: np.ndarray = VOXELS, kind: type = nibabel.Nifti1Image) -> bytes:
    return bytes(kind(voxels, np.eye(4)).to_bytes())


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_content_decides_and_not_the_name(tmp_path: Path, kind: type, name: str, is_compressed: bool) -> None:
    content = encoded(kind=kind)
    (tmp_path / name).write_bytes(gzip.compress(content) if is_compressed else content)
    volume = read_volume(tmp_path / name)
    assert np.array_equal(volume.values(), VOXELS)
    assert volume.mode == "int16"


def test_a_gzip_file_may_have_several_parts(tmp_path: Path) -> None:
    content = encoded()
    parts = [content[start : start + 256] for start in range(0, len(content), 256)]
    (tmp_path / "a.nii.gz").write_bytes(b"".join(map(gzip.compress, [*parts, b""])))
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").values(), VOXELS)


@pytest.mark.parametrize("order", ["<", ">"])
def test_scaling_and_byte_order_are_as_nibabel_has_them(tmp_path: Path, order: str) -> None:
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.int16)
    image = nibabel.Nifti1Image(VOXELS.astype(np.float64) * 0.25 - 7, np.eye(4), header)
    path = tmp_path / "a.nii"
    nibabel.save(image, path)
    np.testing.assert_allclose(
        read_volume(path).values(), nibabel.load(path).get_fdata(), rtol=1e-6, atol=1e-6
    )


def test_one_slice_is_a_volume_and_further_axes_may_have_length_one(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    for shape in ((5, 6), (5, 6, 1), (5, 6, 1, 1)):
        path.write_bytes(encoded(np.ones(shape, np.uint8)))
        assert read_volume(path).values().shape == (5, 6, 1)


def test_nan_is_named(tmp_path: Path) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[1, 2, 3] = np.nan
    (tmp_path / "a.nii").write_bytes(encoded(voxels))
    with pytest.raises(DataError, match=r"a\.nii holds NaN"):
        read_volume(tmp_path / "a.nii").values()


def rgb() -> bytes:
    return encoded(np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]))


def cifti() -> bytes:
    axes = (
        nibabel.cifti2.ScalarAxis(["a"]),
        nibabel.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2)), affine=np.eye(4)),
    )
    return bytes(nibabel.Cifti2Image(np.zeros((1, 8), np.float32), axes).to_bytes())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (encoded()[:-1], "can't hold"),
        (gzip.compress(encoded())[:-9], "damaged"),
        (gzip.compress(encoded())[:-6] + b"\0\0\0\0\0\0", "Incorrect checksum"),
        (b"", "damaged"),
        (b"not an image at all" * 40, "damaged"),
        (encoded(np.zeros((4, 4, 4, 2), np.uint8)), r"shape \(4, 4, 4, 2\)"),
        (encoded(np.zeros((4, 4, 4), np.complex64)), "complex64"),
        (rgb(), "voxels"),
        (cifti(), "CIFTI"),
    ],
    ids=["short", "truncated gz", "checksum", "empty", "text", "4D", "complex", "RGB", "CIFTI"],
)
def test_what_is_no_volume_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "patient.nii.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=found) as caught:
        read_volume(path)
    assert "patient.nii.gz" in caught.value.found


def test_a_header_that_claims_terabytes_is_refused_at_once(tmp_path: Path) -> None:
    content = bytearray(encoded())
    content[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(bytes(content))
    with pytest.raises(DataError, match="holds 108,000,000,000,000 bytes"):
        read_volume(tmp_path / "a.nii")
