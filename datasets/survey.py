"""Look at every file below a folder: what it is, whose it is, and whether it is used."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.api import ChoiceError, DataError, Split, spread

from .dicom_header import DicomHeader, read_header
from .files import Found
from .names import folder_splits, is_mask, known_patient, modality_of, split_of
from .raw import split_by_hash
from .table import Table

Kind = Literal["picture", "volume", "array", "dicom"]

_ENDINGS: dict[str, Kind] = {
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm", ".pnm",
         ".pbm", ".pfm", ".webp", ".jp2", ".j2k", ".jpx", ".j2c"), "picture",
    ),
    **dict.fromkeys((".nii.gz", ".nii"), "volume"),
    ".npy": "array",
    **dict.fromkeys((".dcm", ".dicom", ".ima"), "dicom"),
}  # fmt: skip
#: How files begin that bear no ending of theirs: PS3.10, 7.1; without the preamble, as old scanners write.
_BEGINNINGS: tuple[tuple[int, bytes, Kind], ...] = (
    (128, b"DICM", "dicom"),
    (0, b"\x08\x00\x05\x00", "dicom"),
    (0, b"\x08\x00\x08\x00", "dicom"),
    (0, b"\x89PNG\r\n", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (0, b"II*\0", "picture"),
    (0, b"MM\0*", "picture"),
)
_NOT_READ = {
    **dict.fromkeys((".mha", ".mhd", ".nrrd", ".nhdr", ".mgz", ".mgh", ".hdr", ".img", ".mnc"),
                    "a volume of a kind that is not read: convert it to NIfTI"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"), "an archive: unpack it"),
    **dict.fromkeys((".npz", ".mat", ".h5", ".hdf5"), "a container of arrays: save each with numpy.save"),
}  # fmt: skip
IMAGES = "PNG, JPEG, TIFF, BMP, GIF, PGM, WebP, NIfTI, npy or DICOM files"


@dataclass(frozen=True)
class File:
    """One file that is used.

    Attributes:
        path: Where it is.
        kind: How it is read.
        patient: Whom it shows.
        split: Of that patient.
        header: Of a DICOM file.
    """

    path: Path
    kind: Kind
    patient: str = ""
    split: Split = "train"
    header: DicomHeader | None = None


@dataclass(frozen=True)
class Survey:
    """All files of a folder.

    Attributes:
        files: Those that are used, by name.
        left_out: Why each of the others is not.
        unknown: How many of those used name no patient, so that each counts as one.
        modalities: How many files each modality has, if there are several; the first is the one that is used.
    """

    files: Mapping[str, File]
    left_out: Mapping[str, str]
    unknown: int
    modalities: Mapping[str, int]


def candidates(
    found: Found, table: str | None, include: str, exclude: str, *, masks: bool
) -> tuple[dict[str, File], dict[str, str]]:
    """Files that may be used as far as names tell, and why the others are not."""
    files: dict[str, File] = {}
    left_out = dict(found.left_out)
    for name, path in found.files.items():
        kind = _kind(name, path)
        if name == table:
            left_out[name] = "the table of patients"
        elif include and not _matches(name, include):
            left_out[name] = f"does not match include={include}"
        elif exclude and _matches(name, exclude):
            left_out[name] = f"matches exclude={exclude}"
        elif kind is None:
            left_out[name] = _NOT_READ.get(PurePosixPath(name).suffix.lower(), "not an image")
        elif not masks and is_mask(name):
            left_out[name] = "a mask, by its name"
        elif name.lower().endswith(".nii") and name + ".gz" in found.files:
            left_out[name] = f"the same as {PurePosixPath(name).name}.gz, by its name"
        else:
            files[name] = File(path, kind)
    return files, left_out


def survey(
    files: Mapping[str, File],
    left_out: Mapping[str, str],
    *,
    table: Table | None,
    patient: str | None,
    modality: str | None,
    plane: str | None,
) -> Survey:
    """Find out whose each candidate is, reading the headers of DICOM files; keep one modality.

    Raises:
        DataError: A rule for patients doesn't fit, or the modality isn't there.
    """
    left_out = dict(left_out)
    used: dict[str, File] = {}
    headers = spread(_header, list(files.values()), chunk=50)
    for (name, file), header in zip(files.items(), headers, strict=True):
        if file.kind == "dicom" and header is None and kind_by_ending(name) is None:
            left_out[name] = "begins as DICOM does, and is damaged or without pixels"
        elif header is not None and header.no_image:
            left_out[name] = header.no_image
        elif header is not None and plane and header.plane not in (plane, None):
            left_out[name] = f"shows the {header.plane} plane"
        else:
            used[name] = replace(file, header=header)
    told = {
        name: (file.header.modality if file.header else modality_of(name)).lower()
        for name, file in used.items()
    }
    # The one that most files show; of equally many, the first in the alphabet.
    counts = dict(sorted(Counter(filter(None, told.values())).items(), key=lambda pair: (-pair[1], pair[0])))
    if modality is not None and modality.lower() not in counts:
        raise DataError(
            f"no file's name or header tells the modality {modality}",
            needed=", ".join(counts) or "names such as CASE_t1.nii.gz",
            hint="or choose files by their names: --set dataset.include=GLOB",
        )
    if len(counts) > 1 or modality is not None:
        chosen = modality.lower() if modality is not None else next(iter(counts))
        counts = {chosen: counts[chosen], **counts}
        for name, other in told.items():
            if other not in ("", chosen):
                left_out[name] = f"another modality, {other}"
                del used[name]
    owner = _owner(patient, table)
    owners = {name: owner(name, file) for name, file in used.items()}
    by_folder = folder_splits(used)
    by_table = table.splits if table else {}
    for name, file in used.items():
        person = owners[name][0]
        split = by_table.get(person) or by_folder.get(name) or split_by_hash(person)
        used[name] = replace(file, patient=person, split=split)
    unknown = sum(not is_known for _, is_known in owners.values())
    return Survey(used, left_out, unknown, counts if len(counts) > 1 else {})


def _owner(rule: str | None, table: Table | None) -> Callable[[str, File], tuple[str, bool]]:
    """How the patient of a file is found: who it is, and whether anything says so."""
    if rule is not None and rule != "parent":
        try:
            pattern = re.compile(rule)
        except re.error as error:
            raise DataError(
                f"dataset.patient={rule} is no regular expression: {error}",
                needed="one that finds the patient in a path, or parent",
                hint="--set 'dataset.patient=case_([0-9]+)'",
            ) from error
        return lambda name, _: (_by_rule(pattern, name), True)
    if rule == "parent":
        return lambda name, _: (_parent(name), True)

    def find(name: str, file: File) -> tuple[str, bool]:
        if table is not None and name in table.patients:
            return table.patients[name], True
        if file.header is not None and file.header.patient:
            return file.header.patient, True
        if known := known_patient(name):
            return known, True
        if file.header is not None and file.header.study:
            return file.header.study, False
        return without_ending(name), False

    return find


def _by_rule(pattern: re.Pattern[str], name: str) -> str:
    found = pattern.search(name)
    groups = [group for group in found.groups() if group] if found else []
    patient = "-".join(groups) or (found[0] if found and not pattern.groups else "")
    if not patient:
        raise DataError(
            f"dataset.patient={pattern.pattern} finds no patient in {name}",
            needed="a regular expression that matches a part of every path, the patient in brackets",
            hint="--set dataset.exclude=GLOB for files that are none",
        )
    return patient


def _parent(name: str) -> str:
    """The folder that a file is in; those that only name a split don't belong to a patient's name."""
    parts = PurePosixPath(name).parts[:-1]
    own = [part for part in parts if split_of(part) is None]
    if not own:
        raise DataError(
            f"dataset.patient=parent, and {name} is in no folder of a patient",
            needed="one folder for each patient",
            hint="--set 'dataset.patient=REGEX' for patients that files' names tell",
        )
    return "/".join(own)


def without_ending(name: str) -> str:
    """A path without the ending of its format."""
    ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), "")
    return name[: -len(ending)] if ending else name


def _header(file: File) -> DicomHeader | None:
    """The header of a DICOM file; of a damaged one none, for whoever reads its pixels says so."""
    if file.kind != "dicom":
        return None
    try:
        return read_header(file.path)
    except DataError as error:
        if isinstance(error, ChoiceError):
            raise
        return None


def kind_by_ending(name: str) -> Kind | None:
    """What a file is by its name alone."""
    return next((kind for ending, kind in _ENDINGS.items() if name.lower().endswith(ending)), None)


def _kind(name: str, path: Path) -> Kind | None:
    kind = kind_by_ending(name)
    if kind is not None:
        return kind
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise DataError(f"{name} can't be read: {error.strerror or error}") from error
    return next((kind for at, start, kind in _BEGINNINGS if head[at : at + len(start)] == start), None)


def _matches(name: str, globs: str) -> bool:
    """Whether a path, or just the file's name, is like one of some patterns between commas."""
    patterns = [pattern.strip() for pattern in globs.split(",") if pattern.strip()]
    own = PurePosixPath(name).name
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns for text in (name, own))


def told(left_out: Mapping[str, str], most: int = 5) -> str:
    """Why files were left out, and how many for each reason, in words."""
    counts = Counter(left_out.values()).most_common(most)
    return "; ".join(f"{count} files: {reason}" for reason, count in counts)


def groups(files: Mapping[str, File]) -> dict[str, list[str]]:
    """Files that are shown on one scale, by the name of the first: one patient's, in one folder and unit.

    Pictures and arrays are on the scale of the whole set, and so each by itself.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for name, file in files.items():
        key: Iterable[str] = (name,)
        if file.kind == "volume":
            key = ("volume", str(PurePosixPath(name).parent), file.patient)
        elif file.header is not None:
            key = ("dicom", str(PurePosixPath(name).parent), file.patient, file.header.unit)
        found.setdefault(tuple(key), []).append(name)
    return {names[0]: names for names in found.values()}
