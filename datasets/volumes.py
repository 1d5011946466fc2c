"""Find the volumes of a data set in whichever layout somebody unpacked them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from harness.api import DataError

from .files import find_files


def all_files(root: Path) -> list[Path]:
    """Every file below a folder, sorted, without hidden ones; links are followed.

    Raises:
        DataError: A folder can't be read.
    """
    return sorted(find_files(root).files.values())


def one_copy(paths: Iterable[Path], owner: re.Pattern[str]) -> Path:
    """The file to read among several that have the same meaning.

    Within one patient's folder a compressed file goes before an uncompressed one: some copies hold both,
    or the one in a folder with the other's name.

    Args:
        paths: At least one file.
        owner: What the name of a patient's folder looks like.

    Raises:
        DataError: They belong to two copies of the patient.
    """
    ranked = sorted(paths, key=lambda path: (not path.name.lower().endswith(".gz"), len(path.parts), path))
    homes = {_home(path, owner) for path in ranked}
    if len(homes) > 1:
        first, second = sorted(homes)[:2]
        raise DataError(
            f"{ranked[0].name} is in two places, {first} and {second}",
            needed="one copy of each patient",
            hint="move one of them out of the data root",
        )
    return ranked[0]


def _home(path: Path, owner: re.Pattern[str]) -> Path:
    """The patient's folder that a file is in, or just its folder."""
    for folder in path.parents:
        if owner.fullmatch(folder.name):
            return folder
    return path.parent
