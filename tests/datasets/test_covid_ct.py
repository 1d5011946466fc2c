"""COVID-CT in the layouts that people have."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from harness_datasets.covid_ct import CovidCT, CovidCTConfig
from PIL import Image

from harness.api import DataError
from harness.data.prepare import prepare

#: file name, stored mode, patient, split
FILES = [
    ("0.jpg", "RGB", "crawled_0", "train"),
    ("1%0.jpg", "RGB", "crawled_1", "train"),
    ("1%1.jpg", "L", "crawled_1", "train"),
    ("2%252.png", "RGB", "crawled_2", "val"),  # URL-decoding would make it another name
    ("14.png", "RGBA", "medpix_3", "test"),
    ("15.png", "JPEG", "medpix_3", "test"),
]


def encoded(mode: str, grey: int) -> bytes:
    image = Image.new("L", (60, 40), grey)
    form = "JPEG" if mode == "JPEG" else "PNG"
    if mode in ("RGB", "RGBA"):
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The official repository in small: images unpacked, lists and table of patients."""
    root = tmp_path / "COVID-CT"
    images, lists = root / "Images-processed" / "CT_NonCOVID", root / "Data-split" / "NonCOVID"
    images.mkdir(parents=True)
    lists.mkdir(parents=True)
    for number, (name, mode, _, _) in enumerate(FILES):
        (images / name).write_bytes(encoded(mode, 40 * number))
    (images / ".DS_Store").write_bytes(b"\0")
    for split in ("train", "val", "test"):
        names = [name for name, _, _, where in FILES if where == split]
        (lists / f"{split}CT_NonCOVID.txt").write_text("\n".join(names) + "\n")
    rows = [f"{number},{name},{patient}" for number, (name, _, patient, _) in enumerate(FILES)]
    table = "\n".join([",image name,patient id", *rows])
    (root / "NonCOVID-CT-MetaInfo.csv").write_text(table + "\n")
    return root


def zipped(repository: Path) -> None:
    """Replace the unpacked folder by the archive that the repository ships."""
    folder = repository / "Images-processed" / "CT_NonCOVID"
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.iterdir(), reverse=True):
            archive.write(path, f"CT_NonCOVID/{path.name}")
            archive.writestr(f"__MACOSX/CT_NonCOVID/._{path.name}", b"shadow")
            path.unlink()
    folder.rmdir()


def dataset(root: Path, **options: str) -> CovidCT:
    return CovidCT(root, CovidCTConfig(**options))  # type: ignore[arg-type]


def rows(data: CovidCT) -> list[tuple[str, str, str]]:
    return [
        (piece.source.removeprefix("CT_NonCOVID/"), piece.patient, piece.split) for piece in data.slices()
    ]


EXPECTED = sorted((name, patient, split) for name, _, patient, split in FILES)


def test_every_image_has_its_patient_and_official_split(repository: Path) -> None:
    assert rows(dataset(repository)) == EXPECTED


def test_the_archive_gives_the_same_as_its_unpacked_folder(repository: Path) -> None:
    unpacked = dataset(repository)
    before, pixels = unpacked.fingerprint(), [piece.pixels for piece in unpacked.slices()]
    zipped(repository)
    packed = dataset(repository)
    assert packed.fingerprint() == before
    assert rows(packed) == EXPECTED
    assert all(np.array_equal(a, b.pixels) for a, b in zip(pixels, packed.slices(), strict=True))


@pytest.mark.parametrize("part", ["Images-processed", "Images-processed/CT_NonCOVID"])
def test_the_root_may_be_a_folder_within(repository: Path, part: str) -> None:
    assert rows(dataset(repository / part)) == EXPECTED


def test_the_root_may_be_the_archive_itself(repository: Path) -> None:
    zipped(repository)
    assert rows(dataset(repository / "Images-processed" / "CT_NonCOVID.zip")) == EXPECTED


def test_files_are_opened_by_content(repository: Path) -> None:
    modes = {piece.source: piece.mode for piece in dataset(repository).slices()}
    assert modes["CT_NonCOVID/15.png"] == "L"  # a JPEG, whatever its name says
    assert modes["CT_NonCOVID/14.png"] == "RGBA"


def test_grey_is_luma_over_black_and_never_rescaled(repository: Path) -> None:
    images = repository / "Images-processed" / "CT_NonCOVID"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(images / "0.jpg", "PNG")
    Image.new("RGBA", (8, 8), (255, 255, 255, 51)).save(images / "14.png")
    Image.new("L", (8, 8), 102).save(images / "1%0.jpg", "PNG")
    grey = {piece.source.split("/")[1]: float(piece.pixels[0, 0]) for piece in dataset(repository).slices()}
    assert grey["0.jpg"] == pytest.approx(0.299, abs=1 / 255)
    assert grey["14.png"] == pytest.approx(51 / 255, abs=1 / 255)
    assert grey["1%0.jpg"] == pytest.approx(0.4)


def test_without_lists_splits_are_by_patient_and_do_not_depend_on_other_files(repository: Path) -> None:
    for path in (repository / "Data-split" / "NonCOVID").iterdir():
        path.unlink()
    whole = {name: split for name, _, split in rows(dataset(repository))}
    assert whole["1%0.jpg"] == whole["1%1.jpg"]
    assert whole["14.png"] == whole["15.png"]
    (repository / "Images-processed" / "CT_NonCOVID" / "0.jpg").unlink()
    part = {name: split for name, _, split in rows(dataset(repository))}
    assert part == {name: split for name, split in whole.items() if name != "0.jpg"}


def test_without_a_table_the_number_before_the_percent_sign_is_the_patient(repository: Path) -> None:
    (repository / "NonCOVID-CT-MetaInfo.csv").unlink()
    patients = {name: patient for name, patient, _ in rows(dataset(repository))}
    assert patients == {
        "0.jpg": "0",
        "1%0.jpg": "1",
        "1%1.jpg": "1",
        "2%252.png": "2",
        "14.png": "14",
        "15.png": "15",
    }


def test_an_image_that_no_list_names_goes_where_its_patient_is(repository: Path) -> None:
    path = repository / "Data-split" / "NonCOVID" / "testCT_NonCOVID.txt"
    path.write_text("14.png\n")
    assert ("15.png", "medpix_3", "test") in rows(dataset(repository))


def test_lists_that_divide_a_patient_are_refused(repository: Path) -> None:
    path = repository / "Data-split" / "NonCOVID" / "valCT_NonCOVID.txt"
    path.write_text("2%252.png\n1%1.jpg\n")
    with pytest.raises(DataError, match="crawled_1 into train and val"):
        dataset(repository).items()


def test_other_content_is_another_fingerprint_and_dates_are_not(repository: Path) -> None:
    before = dataset(repository).fingerprint()
    image = repository / "Images-processed" / "CT_NonCOVID" / "0.jpg"
    content = image.read_bytes()
    image.unlink()
    image.write_bytes(content)
    assert dataset(repository).fingerprint() == before
    image.write_bytes(content + b"\0")
    changed = dataset(repository).fingerprint()
    assert changed != before
    (repository / "Data-split" / "NonCOVID" / "trainCT_NonCOVID.txt").write_text("0.jpg\n")
    assert dataset(repository).fingerprint() != changed


def test_a_truncated_image_is_named(repository: Path, tmp_path: Path) -> None:
    image = repository / "Images-processed" / "CT_NonCOVID" / "1%0.jpg"
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(DataError, match=r"1%0\.jpg") as caught:
        prepare(dataset(repository), "covid-ct", [16], tmp_path / "cache")
    assert "--skip-bad" in caught.value.hint
    images = prepare(dataset(repository), "covid-ct", [16], tmp_path / "cache", skip_bad=True)[16]
    assert [entry["item"] for entry in images.skipped] == ["1%0.jpg"]
    assert len(images) == 5


def test_a_damaged_archive_is_named(repository: Path) -> None:
    zipped(repository)
    archive = repository / "Images-processed" / "CT_NonCOVID.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"CT_NonCOVID\.zip .*truncated"):
        dataset(repository).items()


def test_padding_keeps_the_whole_image(repository: Path, tmp_path: Path) -> None:
    path = repository / "Images-processed" / "CT_NonCOVID" / "0.jpg"
    Image.new("L", (64, 32), 255).save(path, "PNG")
    image = prepare(dataset(repository), "covid-ct", [16], tmp_path)[16].images[0, 0]
    assert (image[4:12] == 255).all()
    assert (image[:3] == 0).all()
    cropped = prepare(dataset(repository, square="crop"), "covid-ct", [16], tmp_path)[16].images[0, 0]
    assert (cropped == 255).all()


def test_roots_that_hold_something_else(tmp_path: Path) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    (other / "holiday.jpg").write_bytes(encoded("L", 0))
    for root, found in (
        (None, "no folder of raw data was named"),
        (tmp_path / "missing", "does not exist"),
        (empty, "is an empty folder"),
        (other, "holds holiday.jpg"),
    ):
        with pytest.raises(DataError, match=found) as caught:
            dataset(root).items()  # type: ignore[arg-type]
        assert "--data-root" in str(caught.value)


def test_the_real_images(real_data: Path, tmp_path: Path) -> None:
    data = dataset(real_data / "covid-ct")
    images = prepare(data, "covid-ct", [64], tmp_path)[64]
    assert images.table["split"].value_counts().to_dict() == {"train": 234, "test": 105, "val": 58}
    assert images.table["patient"].nunique() == 171
    assert images.table["mode"].value_counts().to_dict() == {"RGB": 374, "L": 23}
    assert images.skipped == []
    # No image is washed out or empty.
    assert images.images.std(axis=(1, 2, 3)).min() > 15


def test_what_colours_an_image_loses_is_written_down(repository: Path, tmp_path: Path) -> None:
    tinted = np.full((40, 60, 3), (200, 120, 40), np.uint8)
    Image.fromarray(tinted).save(repository / "Images-processed/CT_NonCOVID/14.png")
    images = prepare(dataset(repository), "covid-ct", [16], tmp_path / "cache")[16]
    assert images.conversions == {"colour to grey": 1}
    lost = images.table[images.table["conversion"] == "colour to grey"]
    assert lost["source"].tolist() == ["CT_NonCOVID/14.png"]


def test_ends_of_lines_do_not_matter(repository: Path) -> None:
    before = dataset(repository)
    told = before.fingerprint(), rows(before)
    for path in (*repository.rglob("*.txt"), *repository.rglob("*.csv")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    after = dataset(repository)
    assert (after.fingerprint(), rows(after)) == told


def test_17_images_of_the_real_set_lose_colours(real_data: Path) -> None:
    data = dataset(real_data / "covid-ct")
    assert data.fingerprint() == CovidCT.remote_fingerprint
    lost = [piece.conversion for piece in data.slices()]
    assert (lost.count("colour to grey"), lost.count("")) == (17, 380)
