"""A user's CSV file that tells which patient an image shows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple, cast, get_args

from harness.api import DataError, Split


class Table(NamedTuple):
    """Patient of each file, and split of those patients of whom one is named."""

    patients: dict[str, str]
    splits: dict[str, Split]


def read_table(path: Path) -> Table:
    """Read the columns file, patient and, if there is one, split.

    Raises:
        DataError: It can't be read, a line is incomplete, or a patient is in two splits.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read: {error}", needed="CSV in UTF-8") from error
    table = Table({}, {})
    for line, row in enumerate(rows, start=2):
        file, patient, split = ((row.get(name) or "").strip() for name in ("file", "patient", "split"))
        if not file or not patient or split not in ("", *get_args(Split)):
            raise DataError(
                f"{path}, line {line}: file {file!r}, patient {patient!r}, split {split!r}",
                needed="columns file, patient and, if wanted, split (train, val or test)",
            )
        if table.patients.setdefault(file, patient) != patient:
            raise DataError(f"{path}, line {line}: {file} again", needed="one patient for each file")
        if split and table.splits.setdefault(patient, cast(Split, split)) != split:
            raise DataError(
                f"{path}, line {line}: patient {patient} is in {table.splits[patient]} and in {split}",
                needed="every patient in one split",
            )
    return table
