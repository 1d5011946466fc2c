"""Whatever is wrong with the bytes of a raw file, it is read or refused: never a crash, never a hang."""

from __future__ import annotations

import datetime
import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from harness_datasets.acdc import ACDC, ACDCConfig
from harness_datasets.brats import Brats2018, Brats2018Config
from harness_datasets.covid_ct import CovidCT, CovidCTConfig
from harness_datasets.folder import Folder, FolderConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.api import DataError, Dataset

VOXELS = np.arange(1, 1 + 5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)
GREYS = np.arange(15 * 20, dtype=np.uint8).reshape(15, 20)
INFO = "ED: 1\nES: 2\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"


def nifti(kind: type = nibabel.Nifti1Image) -> bytes:
    return bytes(kind(VOXELS, np.eye(4)).to_bytes())


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREYS).save(file, form)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, GREYS)
    return file.getvalue()


def dicom() -> bytes:
    examples = pytest.importorskip("pydicom.examples")
    content: bytes = examples.get_path("ct").read_bytes()
    return content


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as content:
        for name in ("1%0.png", "2.png"):
            content.writestr(f"CT_NonCOVID/{name}", PNG)
    return file.getvalue()


PNG = picture("png")
FRAMES = {f"patient001/patient001_frame0{number}.nii": nifti() for number in (1, 2)}
CLASS = {f"CT_NonCOVID/{name}": PNG for name in ("1%0.png", "2.png")}
PEOPLE = b",image name,patient id\n0,1%0.png,anna\n1,2.png,ben\n"
TABLE = b"file,patient,split\na.png,anna,test\nb.png,ben,\n"
FLAIR = "HGG/Brats18_A_1/Brats18_A_1_flair.nii.gz"


def folder(root: Path) -> Dataset:
    return Folder(root, FolderConfig())


def acdc(root: Path) -> Dataset:
    return ACDC(root, ACDCConfig())


def brats2018(root: Path) -> Dataset:
    return Brats2018(root, Brats2018Config())


def covid_ct(root: Path) -> Dataset:
    return CovidCT(root, CovidCTConfig())


#: The data set that reads it, the file to damage, its sound content, and the files around it.
Case = tuple[Callable[[Path], Dataset], str, Callable[[], bytes], dict[str, bytes]]
CASES: dict[str, Case] = {
    "NIfTI-1": (folder, "a.nii", nifti, {}),
    "NIfTI-2": (folder, "a.nii", lambda: nifti(nibabel.Nifti2Image), {}),
    "gzipped NIfTI": (folder, "a.nii.gz", lambda: gzip.compress(nifti()), {}),
    "PNG": (folder, "a.png", lambda: PNG, {}),
    "TIFF": (folder, "a.tif", lambda: picture("tiff"), {}),
    "JPEG": (folder, "a.jpg", lambda: picture("jpeg"), {}),
    "npy": (folder, "a.npy", array, {}),
    "DICOM": (folder, "a.dcm", dicom, {}),
    "table": (folder, "patients.csv", lambda: TABLE, {"a.png": PNG, "b.png": PNG}),
    "Info.cfg": (acdc, "patient001/Info.cfg", INFO.encode, FRAMES),
    "ACDC": (
        acdc,
        "patient001/patient001_frame02.nii",
        nifti,
        FRAMES | {"patient001/Info.cfg": INFO.encode()},
    ),
    "BraTS": (brats2018, FLAIR, lambda: gzip.compress(nifti()), {}),
    "zip": (covid_ct, "CT_NonCOVID.zip", archive, {}),
    "split list": (covid_ct, "testCT_NonCOVID.txt", lambda: b"2.png\n", CLASS),
    "patients": (covid_ct, "NonCOVID-CT-MetaInfo.csv", lambda: PEOPLE, CLASS),
}


def complaint(data: Dataset) -> str:
    """Read everything; what is refused, in words."""
    try:
        data.fingerprint()
        for piece in data.slices():
            assert piece.pixels.ndim == 2
            assert piece.pixels.min() >= 0.0
            assert piece.pixels.max() <= 1.0
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", CASES)
@given(
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=12),
    lost=st.integers(0, 2000).map(lambda count: max(0, count - 1000)),
)
@settings(max_examples=60, deadline=datetime.timedelta(seconds=20))
def test_damaged_bytes_are_read_or_refused(case: str, edits: list[tuple[int, int]], lost: int) -> None:
    build, name, sound, others = CASES[case]
    damaged = bytearray(sound())
    for place, value in edits:
        damaged[place % len(damaged)] = value
    with tempfile.TemporaryDirectory() as folder:
        for path, content in {**others, name: damaged[: max(1, len(damaged) - lost)]}.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_bytes(content)
        told = complaint(build(Path(folder)))
    assert not told or Path(name).name in told
