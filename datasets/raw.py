"""What every reader of raw files needs: a root that is there, a content fingerprint, splits of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.api import FILE_BYTES, DataError, Dataset, Split, check_bytes, check_regular


def whole_file(path: Path, *, most: int = FILE_BYTES) -> bytes:
    """All bytes of a file.

    Raises:
        DataError: It can't be read, is no plain file, or holds more than any such file does.
    """
    check_regular(path, DataError)
    try:
        check_bytes(path.stat().st_size, str(path), DataError, most=most)
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def existing_root(dataset: Dataset) -> Path:
    """The data root, which is there and not empty.

    Raises:
        DataError: No root was named, it does not exist, or nothing is in it.
    """
    root = dataset.root
    if root is None:
        raise DataError("no folder of raw data was named", needed="--data-root DIR", hint=dataset.obtain)
    try:
        if not root.exists():
            raise DataError(f"{root} does not exist", needed="a folder of raw data", hint=dataset.obtain)
        if root.is_dir() and next(root.iterdir(), None) is None:
            raise DataError(f"{root} is an empty folder", needed="a folder of raw data", hint=dataset.obtain)
    except OSError as error:
        raise DataError(f"{root} can't be read: {error.strerror or error}") from error
    return root


def something_else(dataset: Dataset, needed: str) -> DataError:
    """The error for a root that holds something, but not this data set."""
    root = dataset.root
    assert root is not None
    return DataError(f"{root} holds {contents(root)}", needed=needed, hint=dataset.obtain)


def contents(folder: Path) -> str:
    """A few names in a folder, for an error message."""
    if not folder.is_dir():
        return f"no folder but one file of {folder.stat().st_size} bytes"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def visible_files(folder: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    """Files of a folder with one of these endings in any case, sorted; hidden ones are some system's own."""
    endings = tuple(suffixes)
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(endings) and not path.name.startswith(".") and path.is_file():
            yield path


def fingerprint_of(digests: Mapping[str, str]) -> str:
    """One digest of many named contents: their order and their dates don't matter."""
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()


def digests_of(files: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 of many files' contents by their names, on several threads: hashing lets others run.

    Raises:
        DataError: One can't be read.
    """
    with ThreadPoolExecutor(max_workers=4) as threads:
        return dict(zip(files, threads.map(_digest, files.values()), strict=True))


def _digest(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > FILE_BYTES:
            return f"{size} bytes, more than are read"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def split_by_hash(patient: str, *, train: float = 0.6, val: float = 0.15) -> Split:
    """A split of ours for data without an official one: by a hash of the patient's id, so nobody is divided.

    The same patient is in the same split on every machine and in every subset of the data.
    """
    position = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64
    if position < train:
        return "train"
    return "val" if position < train + val else "test"
