"""No patient is in two splits, whatever the data set and whoever is in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from harness_datasets.acdc import ACDC, ACDCConfig
from harness_datasets.brats import Brats2018, Brats2018Config
from harness_datasets.covid_ct import CovidCT, CovidCTConfig
from harness_datasets.folder import Folder, FolderConfig
from harness_datasets.phantom import Phantom, PhantomConfig
from harness_datasets.raw import split_by_hash
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.api import Dataset, Slice

#: A population: how many images each patient has.
Population = list[int]
populations = st.lists(st.integers(1, 3), min_size=1, max_size=12)


def phantom(root: Path, population: Population) -> Dataset:
    config = PhantomConfig(
        images=sum(population), slices_per_patient=max(population), size=32, seed=len(population)
    )
    return Phantom(None, config)


def covid_ct(root: Path, population: Population) -> Dataset:
    folder = root / "CT_NonCOVID"
    folder.mkdir()
    for patient, count in enumerate(population):
        for figure in range(count):
            Image.new("L", (4, 4)).save(folder / f"{patient}%{figure}.png")
    return CovidCT(root, CovidCTConfig())


def acdc(root: Path, population: Population) -> Dataset:
    for patient, _ in enumerate(population, start=1):
        home = root / f"patient{patient:03d}"
        home.mkdir()
        (home / "Info.cfg").write_text("ED: 1\nES: 2\n")
        for frame in (1, 2):
            image = nibabel.Nifti1Image(np.ones((4, 4, 1), np.uint8), None)
            nibabel.save(image, home / f"{home.name}_frame{frame:02d}.nii")
    return ACDC(root, ACDCConfig())


def brats2018(root: Path, population: Population) -> Dataset:
    for patient, count in enumerate(population):
        for scan in range(1, count + 1):
            case = f"Brats18_X{patient}_{scan}"
            # Scans of one patient may even be filed under two grades.
            home = root / ("HGG" if (patient + scan) % 2 else "LGG") / case
            home.mkdir(parents=True)
            nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 2), np.uint8), None), home / f"{case}_flair.nii")
    return Brats2018(root, Brats2018Config())


def folder(root: Path, population: Population) -> Dataset:
    rows = ["file,patient,split"]
    for patient, count in enumerate(population):
        for number in range(count):
            Image.new("L", (4, 4)).save(root / f"{patient}-{number}.png")
            # Only the first image of every other patient tells a split.
            split = "test" if number == 0 and patient % 2 else ""
            rows.append(f"{patient}-{number}.png,p{patient},{split}")
    (root / "patients.csv").write_text("\n".join(rows))
    return Folder(root, FolderConfig())


def splits_of_patients(slices: Iterable[Slice]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for piece in slices:
        found.setdefault(piece.patient, set()).add(piece.split)
    return found


@pytest.mark.parametrize("build", [phantom, covid_ct, acdc, brats2018, folder])
@given(population=populations)
@settings(max_examples=15, deadline=None)
def test_no_patient_is_in_two_splits(
    build: Callable[[Path, Population], Dataset], population: Population
) -> None:
    with tempfile.TemporaryDirectory() as root:
        splits = splits_of_patients(build(Path(root), population).slices())
    assert 1 <= len(splits) <= len(population)
    assert all(len(where) == 1 for where in splits.values())


def test_hashed_splits_have_about_the_shares_that_they_name() -> None:
    splits = [split_by_hash(f"patient{number}") for number in range(4000)]
    shares = [splits.count(name) / 4000 for name in ("train", "val", "test")]
    assert shares == pytest.approx([0.60, 0.15, 0.25], abs=0.03)
