"""Patients and splits: from tables, headers, names and folders, and never guessed in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_datasets.folder import Folder, FolderConfig
from harness_datasets.names import known_patient
from PIL import Image
from rawfiles import dicom

from harness.api import DataError

ROWS = [("img/a.png", "P1", "train"), ("img/b.png", "P1", "train"), ("img/c.png", "P2", "test")]
HEAD = ("file", "patient", "split")


def folder(root: Path, **options: Any) -> Folder:
    return Folder(root, FolderConfig(**options))


def people(root: Path, **options: Any) -> dict[str, tuple[str, str]]:
    """Patient and split of each file."""
    return {piece.source: (piece.patient, piece.split) for piece in folder(root, **options).slices()}


def picture(path: Path, grey: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (10, 8), grey).save(path)


def table(separator: str = ",", head: tuple[str, ...] = HEAD, rows: list[tuple[str, ...]] = ROWS) -> str:
    return "".join(separator.join(row) + "\n" for row in [head, *rows])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for file, *_ in ROWS:
        picture(tmp_path / file)
    return tmp_path


EXPECTED = {file: (patient, split) for file, patient, split in ROWS}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("patients.csv", table().encode()),
        ("patients.csv", table(";").encode()),
        ("patients.csv", table("\t").encode()),
        ("patients.csv", ("sep=;\n" + table(";")).encode()),
        ("patients.csv", table(head=("File", "PATIENT", "Split")).encode()),
        ("patients.csv", table(rows=[(f.replace("/", "\\"), *r) for f, *r in ROWS]).encode()),
        ("patients.csv", table(rows=[("./" + f, *r) for f, *r in ROWS]).encode()),
        ("patients.csv", table(", ").encode()),
        ("patients.csv", table(rows=[(f'"{f}"', p + "  ", s) for f, p, s in ROWS]).encode()),
        ("patients.csv", table().encode("utf-8-sig")),
        ("patients.csv", table("\t").encode("utf-16")),
        ("patients.csv", table().replace("\n", "\r\n").encode()),
        ("patients.csv", table(rows=[(f, p, s.upper()) for f, p, s in ROWS]).encode()),
        ("patients.csv", (table() + "\n,,\n").encode()),
        ("patients.csv", table(";", (*HEAD, "age"), [(*row, "7,5") for row in ROWS]).encode()),
        ("Patients.csv", table().encode()),
        ("patients.csv", ("\n\n" + table()).encode()),
        ("patients.csv", table(rows=[*ROWS, ROWS[0]]).encode()),
        ("patients.csv", table(";").encode("utf-16-le")),
        ("patients.csv", table(";").encode("utf-16-be")),
    ],
)
def test_tables_as_spreadsheets_write_them(pictures: Path, name: str, content: bytes) -> None:
    (pictures / name).write_bytes(content)
    assert people(pictures) == EXPECTED


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", r"patients\.csv has no columns"),
        ("\n\n", r"patients\.csv has no columns"),
        ("file,patient,split\n", r"has the columns file, patient, split and no line"),
        ("image;id\nimg/a.png;P1\n", r"has the columns 'image', 'id'"),
        ("file,split\nimg/a.png,test\n", r"has the columns 'file', 'split'"),
        ("file,patient,split\nimg/a.png,P1,holdout\n", r"line 2: .*split 'holdout'"),
        ("file,patient\nimg/a.png\n", r"line 2: file 'img/a.png', patient ''"),
    ],
)
@pytest.mark.parametrize("named", [None, "patients.csv"])
def test_a_table_of_something_else_is_an_error_that_says_what_it_has(
    pictures: Path, content: str, found: str, named: str | None
) -> None:
    (pictures / "patients.csv").write_text(content)
    with pytest.raises(DataError, match=found) as caught:
        folder(pictures, table=named).items()
    assert "file, patient" in caught.value.needed


def test_a_table_that_was_named_must_be_there(pictures: Path) -> None:
    with pytest.raises(DataError, match=r"has no people\.csv"):
        folder(pictures, table="people.csv").items()
    (pictures / "People.csv").write_text(table())
    assert people(pictures, table="people.csv") == EXPECTED
    assert folder(pictures, table="people.csv").left_out() == {"People.csv": "the table of patients"}


def test_a_table_may_name_files_that_are_left_out(pictures: Path) -> None:
    picture(pictures / "img" / "a_mask.png")
    (pictures / "patients.csv").write_text(table(rows=[*ROWS, ("img/a_mask.png", "P1", "train")]))
    assert people(pictures) == EXPECTED


def test_split_folders_are_kept(tmp_path: Path) -> None:
    for split, start, count in (("train", 0, 4), ("val", 50, 2), ("test", 100, 3)):
        for person in range(start, start + count):
            for shot in (1, 2):
                picture(tmp_path / split / "NORMAL" / f"person{person}_{shot}.jpeg")
    found = people(tmp_path)
    assert len(found) == 18
    assert all(source.startswith(split) for source, (_, split) in found.items())
    assert len({patient for patient, _ in found.values()}) == 18
    assert any(
        "18 files, so each counts as one, which makes 18 patients" in note
        for note in folder(tmp_path).notes()
    )
    found = people(tmp_path, patient=r"(person\d+)_")
    assert {patient for patient, _ in found.values()} == {
        f"person{n}" for n in (*range(4), 50, 51, 100, 101, 102)
    }
    assert not folder(tmp_path, patient=r"(person\d+)_").caveats()


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("Training", "validation", "TESTING"), ["train", "val", "test"]),
        (("imagesTr", "imagesTs"), ["train", "test"]),
        (("images/train", "images/valid"), ["train", "val"]),
        (("train", "dev"), ["train", "val"]),
        (("Training_Set", "test_set", "val_images"), ["train", "test", "val"]),
        (("trainset", "Test data"), ["train", "test"]),
    ],
)
def test_splits_by_their_usual_folders(tmp_path: Path, names: tuple[str, ...], splits: list[str]) -> None:
    for number, name in enumerate(names):
        picture(tmp_path / name / f"{number}.png")
    found = people(tmp_path)
    assert [found[f"{name}/{number}.png"][1] for number, name in enumerate(names)] == splits


def test_a_table_may_have_whole_paths_and_letters_of_old_spreadsheets(pictures: Path) -> None:
    rows = [(f"{pictures}/{file}", patient.replace("P", "Müller "), split) for file, patient, split in ROWS]
    (pictures / "patients.csv").write_bytes(table(rows=rows).encode("latin-1"))
    assert {patient for patient, _ in people(pictures).values()} == {"Müller 1", "Müller 2"}


@pytest.mark.parametrize("row", ["img/a.png,P\0,train", "img/a.png,P9,train", "img/a.png,P1,fold1"])
def test_a_line_that_cannot_be_meant_is_named(pictures: Path, row: str) -> None:
    (pictures / "patients.csv").write_text(table() + row + "\n")
    with pytest.raises(DataError, match=r"patients\.csv, line 5: "):
        people(pictures)


def test_one_split_folder_alone_is_no_split(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / "train" / f"{number}.png")
    assert {split for _, split in people(tmp_path).values()} == {"train", "val", "test"}


def test_a_table_goes_before_folders(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a.png")
    picture(tmp_path / "test" / "b.png")
    (tmp_path / "patients.csv").write_text("file,patient,split\ntrain/a.png,A,test\ntest/b.png,B,\n")
    assert people(tmp_path) == {"train/a.png": ("A", "test"), "test/b.png": ("B", "test")}


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", "sub-01"),
        ("x/BraTS-GLI-00001-000-t1c.nii.gz", "BraTS-GLI-00001"),
        ("HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_flair.nii.gz", "Brats18_CBICA_AAB"),
        ("BraTS20_Training_001_t1.nii", "BraTS20_Training_001"),
        ("BraTS2021_00002_t1.nii", "BraTS2021_00002"),
        ("patient001_frame01.nii.gz", "patient001"),
        ("train/patient00007/study1/view1_frontal.jpg", "patient00007"),
        ("TCGA-CS-4941_19960909_1.tif", "TCGA-CS-4941"),
        ("OAS1_0001_MR1.nii", "OAS1_0001"),
        ("00000013_005.png", "00000013"),
        ("imagesTr/BRATS_001.nii.gz", "BRATS_001"),
        ("files/p10/p10000032/s1/x.jpg", "p10000032"),
        ("holiday.png", ""), ("liver_12.png", ""), ("person12_1.png", ""), ("Sub-optimal/img.png", ""),
    ],
)  # fmt: skip
def test_patients_of_known_collections(name: str, patient: str) -> None:
    assert known_patient(name) == patient


def test_several_slices_of_a_known_case_are_one_patient(tmp_path: Path) -> None:
    for case in (1, 2):
        for slice_ in range(3):
            picture(tmp_path / f"BraTS20_Training_{case:03d}_slice_{slice_}.png")
    assert len({patient for patient, _ in people(tmp_path).values()}) == 2
    assert not folder(tmp_path).notes()


def test_a_patient_is_the_folder_on_request(tmp_path: Path) -> None:
    for place in ("train/P1", "train/P2", "test/P3"):
        for number in range(2):
            picture(tmp_path / place / f"{number}.png")
    found = people(tmp_path, patient="parent")
    assert {patient for patient, _ in found.values()} == {"P1", "P2", "P3"}
    assert not folder(tmp_path, patient="parent").caveats()
    picture(tmp_path / "train" / "stray.png")
    with pytest.raises(DataError, match=r"train/stray\.png is in no folder of a patient"):
        people(tmp_path, patient="parent")


def test_a_rule_that_fits_not_every_file_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "case_1.png")
    picture(tmp_path / "other.png")
    with pytest.raises(DataError, match=r"finds no patient in other\.png"):
        people(tmp_path, patient=r"case_(\d)")
    with pytest.raises(DataError, match="no regular expression"):
        people(tmp_path, patient="(")


def test_dicom_names_its_patient_or_its_study(tmp_path: Path) -> None:
    stored = np.eye(8, dtype="<i2")
    dicom(tmp_path / "a.dcm", stored, PatientID="anna")
    assert people(tmp_path)["a.dcm"][0] == "anna"
    assert not folder(tmp_path).caveats()
    for name in ("b", "c"):
        dicom(tmp_path / f"{name}.dcm", stored, PatientID="", StudyInstanceUID="1.2.3")
    found = people(tmp_path)
    assert found["b.dcm"][0] == found["c.dcm"][0] == "1.2.3"
    assert "nothing tells the patients of 2 files" in folder(tmp_path).caveats()[0]
