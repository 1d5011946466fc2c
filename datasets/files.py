"""Find the files below a folder, and account for each of them: found, or left out for a reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.api import DataError, check_count, is_kernel_device


class Found(NamedTuple):
    """All that lies below a folder, by names relative to it.

    Attributes:
        files: The files, sorted by name.
        left_out: Why others were not looked at.
    """

    files: dict[str, Path]
    left_out: dict[str, str]


def readable(name: str) -> str:
    """A path as text: parts that are not UTF-8 are read as Latin-1, as old archives have them."""
    return "/".join(_text(part) for part in name.replace(os.sep, "/").split("/"))


def _text(part: str) -> str:
    try:
        part.encode()
    except UnicodeEncodeError:
        return os.fsencode(part).decode("latin-1")
    return part


def find_files(root: Path) -> Found:
    """Every file below a folder, links followed, no folder twice, and none of the kernel's own.

    Folders that really lie there go before those that a link leads to, so that a link to a part of the same
    data is what is left out.

    Raises:
        DataError: A folder can't be read, two names can't be told apart, or there are more files than any
            set has.
    """
    found = Found({}, {})
    above = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}
    seen: set[tuple[int, int]] = set()
    links = [root]
    while links:
        later: list[Path] = []
        for link in links:
            name = readable(str(link.relative_to(root)))
            identity = _identity(link)
            if link != root and (identity in above or identity in seen):
                found.left_out[name] = "a link to a folder that is read already"
                continue
            _walk(link, root, found, seen, later)
        links = sorted(later)
    return Found(dict(sorted(found.files.items())), found.left_out)


def _walk(top: Path, root: Path, found: Found, seen: set[tuple[int, int]], links: list[Path]) -> None:
    """Collect what lies below one folder; links to other folders are put off."""
    folders = [top]
    while folders:
        folder = folders.pop()
        identity = _identity(folder)
        name = readable(str(folder.relative_to(root)))
        if identity in seen:
            found.left_out[name] = "a folder that is read already"
            continue
        seen.add(identity)
        if is_kernel_device(identity[0]):
            found.left_out[name] = "what the kernel tells of itself"
            continue
        for entry in _entries(folder):
            path = folder / entry.name
            name = readable(str(path.relative_to(root)))
            if entry.name.startswith((".", "__MACOSX")):
                found.left_out[name] = "hidden"
            elif os.path.isdir(path):
                (links if entry.is_symlink() else folders).append(path)
            elif os.path.isfile(path):
                if name in found.files:
                    raise DataError(f"{name} is the name of two files", needed="names that differ as text")
                found.files[name] = path
            else:
                found.left_out[name] = "a link that leads nowhere" if entry.is_symlink() else "no plain file"
        check_count(len(found.files) + len(found.left_out), f"files below {readable(str(root))}", DataError)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{readable(str(folder))} can't be read: {error.strerror or error}") from error


def _identity(folder: Path) -> tuple[int, int]:
    try:
        state = folder.stat()
    except OSError as error:
        raise DataError(f"{readable(str(folder))} can't be read: {error.strerror or error}") from error
    return state.st_dev, state.st_ino
