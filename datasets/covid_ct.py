"""The non-COVID images of COVID-CT, from the official repository as people have it."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from harness.api import (
    TEXT_BYTES,
    DataError,
    Dataset,
    PluginConfig,
    RemoteFile,
    Slice,
    Split,
    Square,
    check_bytes,
    pass_on_shortage,
    setting,
)

from .image_files import grey_pages
from .raw import (
    existing_root,
    fingerprint_of,
    something_else,
    split_by_hash,
    visible_files,
    whole_file,
)

_OFFICIAL = "https://raw.githubusercontent.com/UCSD-AI4H/COVID-CT/master"
_CLASS = "CT_NonCOVID"
_ARCHIVE = f"Images-processed/{_CLASS}.zip"
_LISTS: dict[Split, str] = {
    "train": "trainCT_NonCOVID.txt",
    "val": "valCT_NonCOVID.txt",
    "test": "testCT_NonCOVID.txt",
}
_PATIENTS = "NonCOVID-CT-MetaInfo.csv"
#: What one picture may hold, unpacked: the largest of them has 3 MB.
_PICTURE_BYTES = 1 << 28
_ENDINGS = (".png", ".jpg", ".jpeg")
#: Names of this class are numbers, with the figure's part after a percent sign: 14.png, 1%0.jpg.
_NAME = re.compile(r"\d+(%\d+)?\.(png|jpe?g)", re.IGNORECASE)


class CovidCTConfig(PluginConfig):
    """Options of COVID-CT."""

    square: Square = setting(
        "pad",
        "how images that are not square become so: crop, pad or stretch",
        source="ours: 394 of 397 are not square. Cropping cuts lungs off, stretching distorts them; black is "
        "what air looks like, and what a scanner's own square picture has at these places",
    )


class CovidCT(Dataset[CovidCTConfig]):
    """397 chest CT images without COVID, cut from publications and teaching files.

    The root is the official repository, the folder or archive ``CT_NonCOVID`` in it, or a folder that
    holds one of these. The split lists and the table of patients are used where they are found beside or
    above the images. Without the lists, splits are ours: by a hash of the patient's id. Without the
    table, a patient is what the file's name says before the percent sign, so figures of one patient with
    different numbers count as several.
    """

    version = 1
    Config = CovidCTConfig
    # Both lungs look alike. The side of the heart does not keep, where a slice shows it.
    flips = ("left-right",)
    licence = "none stated; the images remain their publishers'. Local research use"
    citation = (
        "J. Zhao, Y. Zhang, X. He, P. Xie: COVID-CT-Dataset: a CT scan dataset about COVID-19. "
        "arXiv 2003.13865, 2020."
    )
    obtain = (
        "git clone https://github.com/UCSD-AI4H/COVID-CT and name that folder: --data-root COVID-CT; "
        "or bench data fetch covid-ct"
    )
    published_count = (
        "396. All 397 images of the class are here; batches of 2 without the incomplete last one make 396."
    )

    # The archive's own digest is not published; its content is checked by the fingerprint.
    remote = (
        RemoteFile(f"{_OFFICIAL}/{_ARCHIVE}", _ARCHIVE, unpack=True),
        *(
            RemoteFile(f"{_OFFICIAL}/Data-split/NonCOVID/{name}", f"Data-split/NonCOVID/{name}")
            for name in _LISTS.values()
        ),
        RemoteFile(f"{_OFFICIAL}/{_PATIENTS}", _PATIENTS),
    )
    remote_fingerprint = "1e5c1524a2d09f8c2bb151e453a2cf4d7f515dade17a06e8d5548d33c2b23b01"

    def __init__(self, root: Path | None, config: CovidCTConfig) -> None:
        super().__init__(root, config)
        self.square = config.square

    def items(self) -> Sequence[str]:
        """Names of the image files."""
        return list(self._people)

    def read(self, item: str) -> Iterator[Slice]:
        """The one image of a file."""
        source = f"{_CLASS}/{item}"
        page = next(grey_pages(self._images.content(item), f"{item} in {self._images.place}"))
        patient, split = self._people[item]
        yield Slice(page.pixels, patient, source, 0, split, page.mode, conversion=page.conversion)

    def fingerprint(self) -> str:
        """Content of images, lists and table; the same for an archive and its unpacked folder."""
        digests = {
            f"{_CLASS}/{name}": hashlib.sha256(self._images.content(name)).hexdigest()
            for name in self._images.names
        }
        for name, text in self._papers.items():
            digests[name] = hashlib.sha256(text.encode()).hexdigest()
        return fingerprint_of(digests)

    @cached_property
    def _images(self) -> _Images:
        root = existing_root(self).absolute()  # . has neither a name nor a parent
        for place in (root / "Images-processed" / _CLASS, root / _CLASS, root):
            for candidate in (place, Path(f"{place}.zip")):
                images = _Images.at(candidate)
                if images is not None:
                    return images
        raise something_else(
            self, f"Images-processed/{_CLASS} with the images of the class without COVID, or {_CLASS}.zip"
        )

    @cached_property
    def _papers(self) -> dict[str, str]:
        """Texts of the split lists and the table of patients, as far as they are there."""
        texts = {}
        above = [self._images.place.parent, *self._images.place.parent.parents][:2]
        for folder in (self._images.place, *above):
            for name in (*_LISTS.values(), _PATIENTS):
                for path in (folder / name, folder / "Data-split" / "NonCOVID" / name):
                    if name not in texts and path.is_file():
                        texts[name] = _text(path)
        return texts

    @cached_property
    def _people(self) -> dict[str, tuple[str, Split]]:
        """Patient and split of every image, in the order of the names."""
        names = self._images.names
        patients = {name: name.partition(".")[0].partition("%")[0] for name in names}
        if _PATIENTS in self._papers:
            patients |= _patient_table(self._papers[_PATIENTS])
        splits: dict[str, Split] = {}
        for split, list_name in _LISTS.items():
            for line in self._papers.get(list_name, "").splitlines():
                if name := line.strip():
                    patient = patients.get(name, name)
                    if splits.setdefault(patient, split) != split:
                        raise DataError(
                            f"the split lists put {patient} into {splits[patient]} and {split} ({name})",
                            needed="the official lists, which divide no patient",
                            hint=self.obtain,
                        )
        # An image that no list names goes where its patient is, and only an unlisted patient by hash.
        return {
            name: (patients[name], splits.get(patients[name]) or split_by_hash(patients[name]))
            for name in names
        }


class _Images:
    """The files of the class, in a folder or in an archive."""

    def __init__(self, place: Path, members: dict[str, str]) -> None:
        self.place = place
        self.names = sorted(members)
        self._members = members

    @classmethod
    def at(cls, place: Path) -> _Images | None:
        """The images at a place, or None where there is nothing like them."""
        if place.is_dir():
            members = {path.name: path.name for path in visible_files(place, _ENDINGS)}
        elif place.is_file() and zipfile.is_zipfile(place):
            with _archive(place) as archive:
                paths = [
                    PurePosixPath(name) for name in archive.namelist() if name.lower().endswith(_ENDINGS)
                ]
            # Archives made on a Mac hold a shadow of every file in __MACOSX.
            members = {path.name: str(path) for path in paths if "__MACOSX" not in path.parts}
        elif place.suffix == ".zip" and place.is_file():
            raise DataError(f"{place} is no zip archive, or a truncated one", hint=CovidCT.obtain)
        else:
            return None
        ours = sum(_NAME.fullmatch(name) is not None for name in members)
        return cls(place, members) if members and 2 * ours > len(members) else None

    def content(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            DataError: It can't be read.
        """
        try:
            if self.place.is_dir():
                return whole_file(self.place / name)
            with _archive(self.place) as archive:
                size = archive.getinfo(self._members[name]).file_size
                check_bytes(size, f"{name} in {self.place}, unpacked,", DataError, most=_PICTURE_BYTES)
                return archive.read(self._members[name])
        except DataError:
            raise
        except Exception as error:  # damaged archives raise almost anything
            pass_on_shortage(error)
            raise DataError(f"{name} in {self.place} can't be read: {error}", hint=CovidCT.obtain) from error


def _archive(place: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(place)
    except Exception as error:  # damaged archives raise almost anything
        pass_on_shortage(error)
        raise DataError(f"{place} can't be opened: {error}", hint=CovidCT.obtain) from error


def _text(path: Path) -> str:
    try:
        text = whole_file(path, most=TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} can't be read: {error}", hint=CovidCT.obtain) from error
    # Any ends of lines: git on Windows writes its own, and the fingerprint shall be the same.
    return io.StringIO(text, newline=None).read()


def _patient_table(text: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(text))
    if not {"image name", "patient id"} <= set(rows.fieldnames or ()):
        raise DataError(
            f"{_PATIENTS} has the columns {', '.join(rows.fieldnames or ())}",
            needed="columns 'image name' and 'patient id'",
            hint=CovidCT.obtain,
        )
    patients = {}
    for line, row in enumerate(rows, start=2):
        name, patient = ((row[column] or "").strip() for column in ("image name", "patient id"))
        if name and not patient:
            raise DataError(f"{_PATIENTS}, line {line}: {name} has no patient", hint=CovidCT.obtain)
        patients[name] = patient
    return patients
