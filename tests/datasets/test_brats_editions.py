"""Editions of BraTS: each reads its own files, and refuses the others' with the name of their adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brains import SHAPE, brain, save
from harness_datasets.brats import Brats, Brats2018, Brats2020, Brats2021, Brats2023

from harness.api import DataError, Pair
from harness.data.prepare import prepare

EDITIONS = {
    "brats2018": ("Brats18_CBICA_AA0_1", ("t1", "t1ce", "t2", "flair"), "_", 4),
    "brats2020": ("BraTS20_Training_007", ("t1", "t1ce", "t2", "flair"), "_", 4),
    "brats2021": ("BraTS2021_00621", ("t1", "t1ce", "t2", "flair"), "_", 4),
    "brats2023": ("BraTS-GLI-00621-000", ("t1n", "t1c", "t2w", "t2f"), "-", 3),
}


def add_edition(root: Path, name: str, **changes: Any) -> str:
    """One whole case of an edition, where only enhancing tumour is segmented."""
    case, modalities, separator, enhancing = EDITIONS[name]
    case = changes.get("case", case)
    for number, modality in enumerate(modalities):
        save(root / case / f"{case}{separator}{modality}.nii.gz", brain(number))
    labels = np.zeros(SHAPE, np.uint8)
    labels[15:20, 15:20, 25:35] = enhancing
    save(root / case / f"{case}{separator}seg.nii.gz", labels)
    return case


def edition(name: str, root: Path, **options: Any) -> Brats:
    kind = {kind.name: kind for kind in (Brats2018, Brats2020, Brats2021, Brats2023)}[name]
    return kind(root, kind.Config(**options))


@pytest.mark.parametrize("name", EDITIONS)
def test_each_edition_has_its_own_names_modalities_and_labels(tmp_path: Path, name: str) -> None:
    case = add_edition(tmp_path / "raw", name)
    data = edition(name, tmp_path / "raw")
    assert data.items() == [case]
    assert data.modalities == EDITIONS[name][1]
    images = prepare(data, name, [64], tmp_path / "cache")[64]
    assert len(images) == 23
    assert "brain;enhancing" in set(images.table["labels"])
    # Of FLAIR, the last modality of all of them.
    stored = brain(3)
    index = int(images.table["index"][0])
    shown = next(iter(data.read(case))).pixels[108:148, 108:148]
    assert np.array_equal(shown > 0, stored[:, :, index].T > 0)
    pairs = data.paired(Pair(data.modalities[0], data.modalities[1]))
    assert next(iter(pairs.read(case))).counterpart is not None


@pytest.mark.parametrize("files", EDITIONS)
@pytest.mark.parametrize("asked", EDITIONS)
def test_an_edition_refuses_another_s_files_with_the_name_of_their_adapter(
    tmp_path: Path, files: str, asked: str
) -> None:
    add_edition(tmp_path, files)
    if files == asked:
        assert len(edition(asked, tmp_path).items()) == 1
        return
    with pytest.raises(DataError) as caught:
        edition(asked, tmp_path).items()
    assert caught.value.hint == f"--dataset {files}"


@pytest.mark.parametrize(
    ("case", "title"),
    [
        ("BraTS-GLI-02062-100", "BraTS 2024"),
        ("BraTS-MEN-00004-000", "another task of BraTS"),
        ("BraTS19_CBICA_AAB_1", "BraTS 2019"),
        ("BraTS20_Validation_001", "validation cases of BraTS 2020"),
    ],
)
def test_what_no_adapter_reads_is_named(tmp_path: Path, case: str, title: str) -> None:
    add_edition(tmp_path, "brats2023", case=case)
    with pytest.raises(DataError, match=title) as caught:
        edition("brats2023", tmp_path).items()
    assert "no adapter" in caught.value.hint


def test_two_scans_of_a_patient_stay_together(tmp_path: Path) -> None:
    for number in range(4):
        for scan in (0, 1):
            add_edition(tmp_path, "brats2023", case=f"BraTS-GLI-{number:05d}-{scan:03d}")
    splits: dict[str, set[str]] = {}
    for case in (data := edition("brats2023", tmp_path, slices_per_case=1)).items():
        for piece in data.read(case):
            splits.setdefault(piece.patient, set()).add(piece.split)
    assert set(splits) == {f"BraTS-GLI-{number:05d}" for number in range(4)}
    assert all(len(found) == 1 for found in splits.values())


def test_labels_of_another_edition_are_named(tmp_path: Path) -> None:
    case = add_edition(tmp_path, "brats2023")
    labels = np.zeros(SHAPE, np.uint8)
    labels[15:20, 15:20, 25:35] = 4
    save(tmp_path / case / f"{case}-seg.nii.gz", labels)
    with pytest.raises(DataError, match=r"-seg\.nii\.gz has the label 4 in slice \d+") as caught:
        list(edition("brats2023", tmp_path).slices())
    assert caught.value.needed == "0, 1, 2, 3"


def test_the_segmentation_that_kept_its_author_s_name_is_found(tmp_path: Path) -> None:
    case = add_edition(tmp_path, "brats2020", case="BraTS20_Training_355")
    segmentation = tmp_path / case / f"{case}_seg.nii.gz"
    segmentation.rename(tmp_path / case / "W39_1998.09.19_Segm.nii.gz")
    labels = [piece.labels for piece in edition("brats2020", tmp_path).slices()]
    assert any((plane == 4).any() for plane in labels)
