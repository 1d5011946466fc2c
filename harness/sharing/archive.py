"""Archives of records: written from a results folder, and read as what they are, files of strangers.

An archive is a zip with ``manifest.json``, ``README.md`` (the card), ``tables/``, and for each cell
``runs/NAME/record.json``, ``log.jsonl`` and, where somebody asked for it and cleared it, ``samples.png``.
Networks and real images are never in it.
"""

from __future__ import annotations

import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..cell.records import RECORD_FORMAT, Record
from ..errors import BenchError, DataError
from ..files import atomic_write, open_file, sealed, unsealed
from ..limits import TEXT_BYTES, check_count

FORMAT: Final = 1
CELLS: Final = 10_000
"""Cells of one archive."""
_PARTS: Final = {"record.json": 1 << 24, "log.jsonl": 1 << 26, "samples.png": 1 << 26}
"""Files of a cell, and the most bytes that each may have."""
_MANIFEST: Final = "manifest.json"
_CELL: Final = re.compile(r"runs/([A-Za-z0-9][A-Za-z0-9._@-]{0,200})/(record\.json|log\.jsonl|samples\.png)")
_TEXT: Final = re.compile(r"README\.md|tables/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.(md|csv)")

#: What a stranger's bytes make the reader of zips raise; its own errors are of several kinds.
_STRANGE: Final = (
    *(OSError, EOFError, LookupError, NotImplementedError, RuntimeError, ValueError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class SharedCell:
    """A cell as an archive holds it.

    Attributes:
        name: Of its folder.
        log: Its log as it was written; None where there is none.
        samples: A picture of its samples, as PNG; None where nobody cleared one.
    """

    name: str
    record: Record
    log: bytes | None = None
    samples: bytes | None = None


def write_archive(
    path: Path, cells: Iterable[SharedCell], texts: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """Write an archive, whole or not at all; the same cells give the same bytes.

    Args:
        path: The zip.
        cells: The cells.
        texts: The card and the tables, by name.
        facts: What the manifest says beside the number of cells.
    """
    cells = sorted(cells, key=lambda cell: cell.name)
    manifest = sealed({"format": FORMAT, "cells": [cell.name for cell in cells], **facts})
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, _MANIFEST, _json(manifest))
        for name, text in sorted(texts.items()):
            _add(archive, name, text.encode(errors="backslashreplace"))
        for cell in cells:
            _add(archive, f"runs/{cell.name}/record.json", _json(sealed(cell.record.model_dump(mode="json"))))
            for part, content in (("log.jsonl", cell.log), ("samples.png", cell.samples)):
                if content is not None:
                    _add(archive, f"runs/{cell.name}/{part}", content)


def read_archive(path: Path) -> list[SharedCell]:
    """The cells of an archive.

    Nothing is unpacked: what is read stays in memory, within limits that no header is asked about.

    Raises:
        DataError: It is no such archive, is damaged, or holds what no archive holds.
    """
    with _opened(path) as archive:
        parts: dict[str, dict[str, bytes]] = {}
        names = {member.filename for member in archive.infolist()}
        if len(names) < len(archive.infolist()):
            raise _refused(path, "it holds two files of one name")
        if _MANIFEST not in names:
            raise _refused(path, f"it has no {_MANIFEST}")
        manifest = _manifest(path, _read(path, archive, archive.getinfo(_MANIFEST), TEXT_BYTES))
        for member in archive.infolist():
            found = _CELL.fullmatch(member.filename)
            if found is not None:
                name, part = found.groups()
                parts.setdefault(name, {})[part] = _read(path, archive, member, _PARTS[part])
            elif member.filename != _MANIFEST and not _TEXT.fullmatch(member.filename):
                raise _refused(path, f"it holds {member.filename[:200]!r}, which no archive has")
    if sorted(parts) != manifest["cells"]:
        raise _refused(path, "its cells are not those of its manifest")
    return [_cell(path, name, own) for name, own in sorted(parts.items())]


def _cell(path: Path, name: str, parts: Mapping[str, bytes]) -> SharedCell:
    try:
        content = unsealed(json.loads(parts["record.json"]))
        if content.get("format") != RECORD_FORMAT:
            raise ValueError(f"it is of format {content.get('format')!r}, not {RECORD_FORMAT}")
        record = Record.model_validate(content)
    except (LookupError, ValueError, RecursionError) as error:
        lines = str(error).splitlines()
        raise _refused(
            path, f"the record of {name} can't be believed: {lines[0] if lines else error}"
        ) from error
    return SharedCell(name, record, parts.get("log.jsonl"), parts.get("samples.png"))


def _manifest(path: Path, content: bytes) -> dict[str, Any]:
    try:
        manifest = unsealed(json.loads(content))
        if manifest.get("format") != FORMAT or not isinstance(manifest.get("cells"), list):
            raise ValueError(f"it is of format {manifest.get('format')!r}, not {FORMAT}")
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"its manifest can't be believed: {error}") from error
    check_count(len(manifest["cells"]), f"cells in {path}", DataError, most=CELLS)
    return manifest


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            check_count(len(archive.infolist()), f"files in {path}", DataError, most=4 * CELLS)
            yield archive
    except BenchError:
        raise
    except _STRANGE as error:
        raise _refused(path, str(error) or type(error).__name__) from error


def _read(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """What a file holds, and no more than that: a header may say anything of its length."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refused(path, f"{member.filename} is a link")
    with archive.open(member) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _refused(path, f"{member.filename} holds more than {most:,} bytes")
    return content


def _refused(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is no archive of results: {why}",
        needed="a file that bench export wrote",
        hint="bench export RUN --out FILE.zip",
    )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A fixed time: the same records give the same file.
    member = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, content)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")
