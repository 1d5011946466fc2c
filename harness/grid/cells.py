"""Files of cells: what an executor leaves for jobs that start when nobody is there to tell them anything.

A file lies in a folder that is named after its content, so nothing damaged or edited is believed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..api.executor import Job
from ..errors import SpecError
from ..files import atomic_write, read_file

CELLS = "cells.jsonl"
NAMES = "cells.txt"
"""Name, identity and folder of each cell, for scripts that read no JSON."""
DIGITS = 32
EXPECT = "--expect="


class StoredCell(NamedTuple):
    """One line of a file.

    Attributes:
        identity: The cell's; empty where none is expected.
        arguments: What to call ``python -m harness`` with.
    """

    name: str
    identity: str
    arguments: tuple[str, ...]


def write_cells(jobs_folder: Path, jobs: Sequence[Job]) -> Path:
    """Write cells into a folder of their own; returns the folder.

    Raises:
        StorageError: It can't be written.
    """
    cells = [StoredCell(job.name, _identity_of(job.arguments), job.arguments) for job in jobs]
    content = "".join(json.dumps(cell._asdict()) + "\n" for cell in cells).encode()
    folder = jobs_folder / hashlib.sha256(content).hexdigest()[:DIGITS]
    names = "".join(
        f"{cell.name}|{cell.identity}|{job.folder or ''}\n" for cell, job in zip(cells, jobs, strict=True)
    )
    with atomic_write(folder / NAMES) as file:
        file.write(names.encode(errors="surrogateescape"))
    with atomic_write(folder / CELLS) as file:
        file.write(content)
    return folder


def read_cells(path: Path) -> list[StoredCell]:
    """All cells of a file.

    Raises:
        SpecError: It is missing, or not what was written.
    """
    try:
        content = read_file(path)
        if hashlib.sha256(content).hexdigest()[:DIGITS] != path.parent.name:
            raise ValueError("it is not what was written")
        lines = [json.loads(line) for line in content.splitlines()]
        return [StoredCell(line["name"], line["identity"], tuple(line["arguments"])) for line in lines]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SpecError(
            f"{path} can't be believed: {error}",
            needed="a file of cells as bench grid wrote it",
            hint="the same bench grid again: it writes another one for what is not done",
        ) from error


def read_cell(path: Path, index: int, expect: str | None) -> StoredCell:
    """One cell of a file.

    Args:
        path: The file.
        index: Which, from 0.
        expect: The identity that it must have; None for any.

    Raises:
        SpecError: As ``read_cells``, or it is not there, or another.
    """
    cells = read_cells(path)
    if not 0 <= index < len(cells):
        raise SpecError(f"{path} has no cell {index}", needed=f"0 to {len(cells) - 1}")
    if expect is not None and cells[index].identity != expect:
        raise SpecError(
            f"cell {index} of {path} is {cells[index].name}, and cell {expect[:8]} was asked for",
            needed="the identity that stands there",
        )
    return cells[index]


def _identity_of(arguments: Sequence[str]) -> str:
    return next((word.removeprefix(EXPECT) for word in arguments if word.startswith(EXPECT)), "")
