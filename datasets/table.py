"""A user's CSV file that tells which patient an image shows."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path
from typing import NamedTuple

from harness.api import TEXT_BYTES, DataError, Split

from .names import split_of
from .raw import whole_file

_COLUMNS = "columns file, patient and, if wanted, split (train, val or test)"
_SEPARATORS = ",;\t|"


class Table(NamedTuple):
    """Patient of each file, and split of those patients of whom one is named."""

    patients: dict[str, str]
    splits: dict[str, Split]


def read_table(path: Path, root: Path) -> Table:
    """Read the columns file, patient and, if there is one, split.

    As spreadsheets write it: separated by commas, semicolons, tabs or bars, with a byte order mark or none,
    titles in any case, spaces around entries, and paths with slashes of either kind.

    Args:
        path: The file.
        root: The folder of the images: paths are relative to it, or begin with it.

    Raises:
        DataError: It can't be read, is empty, has other columns (the message names them), a line is
            incomplete, or a patient is in two splits.
    """
    try:
        lines = _text(path).splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} can't be read: {error}", needed="CSV in UTF-8 or UTF-16") from error
    first = 1
    # Empty lines, and a spreadsheet's own note to itself.
    while lines and (not lines[0].strip() or lines[0].strip().lower().startswith("sep=")):
        lines, first = lines[1:], first + 1
    separator = max(_SEPARATORS, key=lines[0].count) if lines else ","
    try:
        rows = list(csv.reader(io.StringIO("".join(lines)), delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"{path} can't be read: {error}", needed="CSV in UTF-8 or UTF-16") from error
    titles = [title.strip() for title in rows[0]] if rows else []
    places = {title.lower(): place for place, title in enumerate(titles)}
    if not {"file", "patient"} <= set(places):
        named = f"the columns {', '.join(map(repr, titles))}" if any(titles) else "no columns"
        raise DataError(f"{path} has {named}", needed=_COLUMNS)
    table = Table({}, {})
    for line, row in enumerate(rows[1:], start=first + 1):
        if any(entry.strip() for entry in row):
            entries = {title: row[place].strip() for title, place in places.items() if place < len(row)}
            _add(table, f"{path}, line {line}", entries, f"{root.as_posix()}/")
    if not table.patients:
        raise DataError(f"{path} has the columns {', '.join(titles)} and no line", needed=_COLUMNS)
    return table


def _text(path: Path) -> str:
    content = whole_file(path, most=TEXT_BYTES)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content[:2]:  # of UTF-16 without a mark; a letter of "file" has one byte that is zero
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # as the names of files that aren't UTF-8


def _add(table: Table, where: str, entries: dict[str, str], root: str) -> None:
    file, patient, told = (entries.get(name, "") for name in ("file", "patient", "split"))
    split = split_of(told)
    if not file or not patient or bool(told) != bool(split) or "\0" in file + patient:
        raise DataError(f"{where}: file {file!r}, patient {patient!r}, split {told!r}", needed=_COLUMNS)
    file = file.replace("\\", "/").removeprefix(root).removeprefix("./")
    if table.patients.setdefault(file, patient) != patient:
        raise DataError(f"{where}: {file} again", needed="one patient for each file")
    if split and table.splits.setdefault(patient, split) != split:
        raise DataError(
            f"{where}: patient {patient} is in {table.splits[patient]} and in {split}",
            needed="every patient in one split",
        )
