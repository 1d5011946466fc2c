"""Whatever headers and tables say: pictures in [0, 1] or an error in words, and every file accounted for.

More inputs than the standing test tries: BENCH_EXAMPLES=2000 python -m pytest tests/datasets/test_random_headers.py
"""

from __future__ import annotations

import datetime
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from harness_datasets.folder import Folder, FolderConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rawfiles import dicom, lut, sequence, tiff

from harness.api import DataError

MANY = settings(
    max_examples=int(os.environ.get("BENCH_EXAMPLES", "40")),
    deadline=datetime.timedelta(seconds=20),
    suppress_health_check=[HealthCheck.too_slow],
)


def account(root: Path, **options: Any) -> str:
    """Read a folder as ``bench data info`` does; what is refused, in words."""
    data = Folder(root, FolderConfig(**options))
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
    try:
        used = set()
        data.fingerprint()
        for item in data.items():
            for piece in data.read(item):
                used.add(piece.source)
                assert piece.pixels.ndim == 2 or piece.pixels.shape[2:] == (3,)
                assert np.isfinite(piece.pixels).all()
                assert piece.pixels.min() >= 0.0
                assert piece.pixels.max() <= 1.0
                assert piece.patient
        assert used | set(data.left_out()) == found
        assert all(isinstance(note, str) for note in data.notes())
    except DataError as error:
        return str(error)
    return ""


numbers = st.one_of(st.integers(-3000, 70000), st.sampled_from([0, 1, -1, 0.5, 1e-9, 1e9, 1e30, -1e30]))
words = st.lists(st.integers(0, 65535), max_size=6)
tables = st.one_of(st.just([]), st.builds(lut, words, st.integers(-5, 5), st.sampled_from([8, 12, 16, 20])))
own = st.fixed_dictionaries(
    {},
    optional={
        "RescaleSlope": numbers,
        "RescaleIntercept": numbers,
        "WindowCenter": st.one_of(numbers, st.lists(numbers, min_size=1, max_size=3)),
        "WindowWidth": st.one_of(numbers, st.lists(numbers, min_size=1, max_size=3)),
        "VOILUTFunction": st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "OTHER", ""]),
        "ModalityLUTSequence": tables,
        "VOILUTSequence": tables,
        "PixelSpacing": st.lists(numbers, max_size=3),
        "ImageOrientationPatient": st.lists(st.sampled_from([0, 1, -1, 0.3]), max_size=7),
    },
)
elements = st.fixed_dictionaries(
    {},
    optional={
        "PhotometricInterpretation": st.sampled_from(
            ["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_ICT", "PALETTE COLOR", "HSV", ""]
        ),
        "SamplesPerPixel": st.sampled_from([0, 1, 2, 3, 4]),
        "BitsStored": st.sampled_from([1, 8, 12, 16, 32]),
        "BitsAllocated": st.sampled_from([1, 8, 16, 32, 64]),
        "PixelRepresentation": st.sampled_from([0, 1, 2]),
        "NumberOfFrames": st.sampled_from([0, 1, 2, 5]),
        "Rows": st.sampled_from([0, 1, 8, 65535]),
        "PixelPaddingValue": st.integers(-32768, 32767),
        "PixelPaddingRangeLimit": st.integers(-32768, 32767),
        "PresentationLUTShape": st.sampled_from(["IDENTITY", "INVERSE", "X"]),
        "PixelAspectRatio": st.lists(st.integers(0, 5), max_size=3),
        "PatientID": st.sampled_from(["", "A", "B/C", "Ä"]),
        "Modality": st.sampled_from(["", "CT", "MR"]),
        "SharedFunctionalGroupsSequence": st.builds(
            lambda some: sequence(
                PixelValueTransformationSequence=sequence(**some), FrameVOILUTSequence=sequence(**some)
            ),
            own,
        ),
    },
)


@given(
    general=elements,
    header=own,
    others=own,
    low=st.sampled_from([None, -1000.0, 5.0]),
    spacing=st.sampled_from([None, 1.0, 0.001]),
)
@MANY
def test_dicom_headers(
    general: dict[str, Any],
    header: dict[str, Any],
    others: dict[str, Any],
    low: float | None,
    spacing: float | None,
) -> None:
    pixels = np.arange(64, dtype="<i2").reshape(8, 8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(folder)
        try:
            dicom(root / "a.dcm", pixels, **{**header, **general})
            dicom(root / "b.dcm", pixels, **others)
        except (ValueError, OverflowError, TypeError, OSError):  # such a value can't be written
            return
        told = account(root, low=low, spacing=spacing)
        assert not told or ".dcm" in told


@given(
    zooms=st.lists(st.sampled_from([0.0, 1.0, 1e-3, 4.0, 1e6, np.nan, np.inf, -1.0]), min_size=3, max_size=3),
    affine=st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.7, 3.0, 1e7, np.nan]), min_size=12, max_size=12),
    code=st.integers(0, 3),
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    scaling=st.tuples(st.sampled_from([0.0, 1.0, -2.0, np.nan, 1e38]), st.sampled_from([0.0, 5.0, np.inf])),
    options=st.fixed_dictionaries(
        {},
        optional={
            "plane": st.sampled_from(["axial", "coronal", "sagittal"]),
            "spacing": st.sampled_from([0.5, 3.0]),
            "volume": st.sampled_from([0, 3, "all", "flair"]),
            "low": st.just(0.0),
        },
    ),
)
@MANY
def test_nifti_headers(
    zooms: list[float], affine: list[float], code: int, shape: list[int], scaling: tuple[float, float],
    options: dict[str, Any],
) -> None:  # fmt: skip
    header: Any = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(tuple(shape))
    header["pixdim"][1:4] = zooms
    header["sform_code"] = code
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        header[name] = affine[4 * row : 4 * row + 4]
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = *scaling, 352
    voxels = np.arange(np.prod(shape), dtype=np.int16).tobytes()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.nii").write_bytes(bytes(header.binaryblock) + b"\0" * 4 + voxels)
        told = account(Path(folder), **options)
        assert not told or "a.nii" in told


@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4"]),
    photometric=st.sampled_from([0, 1, 2, 3, 5, 6, 8]),
    sample_format=st.integers(0, 5),
    samples=st.sampled_from([1, 2, 3, 4]),
    order=st.sampled_from("<>"),
    packed=st.booleans(),
    orientation=st.integers(0, 9),
    extra=st.sampled_from([None, 0, 1, 2]),
    high=st.sampled_from([None, 100.0]),
)
@MANY
def test_tiff_headers(
    dtype: str, photometric: int, sample_format: int, samples: int, order: str, packed: bool, orientation: int,
    extra: int | None, high: float | None,
) -> None:  # fmt: skip
    pixels = np.arange(6 * 5 * samples).reshape(6, 5, samples).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        tiff(
            Path(folder) / "a.tif", pixels[..., 0] if samples == 1 else pixels, photometric, order=order,
            sample_format=sample_format, packed=packed, orientation=orientation, extra=extra,
        )  # fmt: skip
        told = account(Path(folder), high=high)
        assert not told or "a.tif" in told


cells = st.one_of(
    st.sampled_from(
        ["a.png", "img/b.png", "img\\b.png", "./a.png", "P1", "P2", "train", "TEST", "", " ", '"', "'"]
    ),
    st.text(max_size=4),
)
heads = st.lists(
    st.sampled_from(["file", "patient", "split", "File", " PATIENT ", "id", "\ufefffile", ""]), max_size=4
)


@given(
    head=heads,
    rows=st.lists(st.lists(cells, max_size=4), max_size=5),
    separator=st.sampled_from([",", ";", "\t", "|", ", "]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n", "\r", "\0"]),
)
@MANY
def test_tables(head: list[str], rows: list[list[str]], separator: str, encoding: str, end: str) -> None:
    text = end.join(separator.join(row) for row in [head, *rows])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "img").mkdir()
        for name in ("a.png", "img/b.png"):
            Image.new("L", (4, 4), 100).save(root / name)
        (root / "patients.csv").write_bytes(text.encode(encoding, "replace"))
        told = account(root)
        assert not told or "patients.csv" in told


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    dtype=st.sampled_from(["u1", "u2", "i2", "f4", "f8", "?", "c8", "<U3"]),
    axes=st.sampled_from([None, "HW", "NHW", "HWN", "HWC", "CHW", "NHWC", "NCHW"]),
)
@MANY
def test_arrays(shape: list[int], dtype: str, axes: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "a.npy", np.arange(np.prod(shape)).reshape(shape).astype(dtype))
        told = account(Path(folder), axes=axes)
        assert not told or "a.npy" in told
