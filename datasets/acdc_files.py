"""The files of ACDC, in whichever layout somebody has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from harness.api import TEXT_BYTES, DataError

from .raw import whole_file
from .volumes import one_copy

_FRAME = re.compile(r"patient(\d{3})_frame(\d{2})(_gt|_0000)?\.nii(\.gz)?")
_CINE = re.compile(r"patient(\d{3})_4d\.nii(\.gz)?")
_INFO = re.compile(r"(?:patient(\d{3})[._])?Info\.cfg")
_PATIENT = re.compile(r"patient(\d{3})")


class Files(NamedTuple):
    """What there is of one patient."""

    frames: dict[int, Path]
    labels: dict[int, Path]
    cine: Path | None
    info: Path | None


def patients_of(paths: Iterable[Path]) -> dict[str, Files]:
    """What there is of each patient; nobody where no file is an image of ACDC.

    Raises:
        DataError: A patient is there twice.
    """
    found: dict[tuple[str, str, int], list[Path]] = {}
    for path in paths:
        for key in _meaning(path):
            found.setdefault(key, []).append(path)
    patients: dict[str, Files] = {}
    for (number, kind, frame), copies in sorted(found.items()):
        path = one_copy(copies, _PATIENT)
        files = patients.get(f"patient{number}", Files({}, {}, None, None))
        if kind == "cine":
            files = files._replace(cine=path)
        elif kind == "info":
            files = files._replace(info=path)
        else:
            (files.frames if kind == "frame" else files.labels)[frame] = path
        patients[f"patient{number}"] = files
    return {name: files for name, files in patients.items() if files.frames or files.cine}


def _meaning(path: Path) -> Iterator[tuple[str, str, int]]:
    """Patient, kind and frame of a file, if it is one of ACDC."""
    if match := _FRAME.fullmatch(path.name):
        # nnU-Net's labels bear the names that images have elsewhere.
        is_label = match[3] == "_gt" or path.parent.name.startswith("labels")
        yield match[1], "label" if is_label else "frame", int(match[2])
    elif match := _CINE.fullmatch(path.name):
        yield match[1], "cine", 0
    elif match := _INFO.fullmatch(path.name):
        owner = _PATIENT.fullmatch(path.parent.name)
        if owner or match[1]:
            yield owner[1] if owner else match[1], "info", 0


def phases_of(item: str, files: Files) -> tuple[int, int]:
    """Frame numbers of ED and ES."""
    is_nnunet = any(path.name.removesuffix(".gz").endswith("_0000.nii") for path in files.frames.values())
    if files.info is None and is_nnunet and len(files.frames) == 2:
        ed, es = sorted(files.frames)
        return ed, es
    if files.info is None:
        raise DataError(
            f"{item} has no Info.cfg, which tells its ED and ES frames",
            needed=f"{item}/Info.cfg or {item}.Info.cfg",
            hint="copy it from the official download",
        )
    text = whole_file(files.info, most=TEXT_BYTES).decode(errors="replace")
    entries = dict(re.findall(r"^\s*(ED|ES)\s*:\s*(\d{1,3})\s*$", text, re.MULTILINE))
    if missing := [phase for phase in ("ED", "ES") if phase not in entries]:
        raise DataError(
            f"{files.info} does not tell the {' and '.join(missing)} frame",
            needed="lines such as 'ED: 1' and 'ES: 12'",
            hint="copy it from the official download",
        )
    return int(entries["ED"]), int(entries["ES"])
