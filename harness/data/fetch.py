"""The raw files of a data set, downloaded, checked, and unpacked nowhere but where they belong."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ..api import BenchError, DataError, Dataset
from ..download import DownloadProgress, download
from ..files import move_aside, storage_error
from ..limits import check_bytes
from ..shortage import pass_on_shortage


def fetch(kind: type[Dataset], name: str, root: Path, *, progress: DownloadProgress | None = None) -> None:
    """Download what is missing of a data set into ``root`` and check the content of the whole.

    What arrived of an interrupted file is kept, and continued by the next call.

    Args:
        kind: The data set's class, which says where its files are.
        name: Its registered name.
        root: The folder that becomes the data root.
        progress: Called now and then.

    Raises:
        DataError: The data set can't be downloaded by anybody, or its content is not the known one.
        DownloadError: The connection failed, or a file is not what it should be.
        StorageError: The folder can't be written.
    """
    if not kind.remote:
        raise DataError(
            f"{name} can't be downloaded without asking its owners",
            hint=kind.obtain or "look for its home page",
        )
    for file in kind.remote:
        target = root / file.path
        download(file.url, target, sha256=file.sha256, progress=progress)
        try:
            if file.unpack:
                unpack(target)
        except OSError as error:
            raise storage_error(target, error) from error
    expected = kind.remote_fingerprint
    if expected and (found := kind(root, kind.Config()).fingerprint()) != expected:
        raise DataError(
            f"the files in {root} are not the known ones: fingerprint {found}",
            needed=expected,
            hint=f"{move_aside(root)}, and fetch again; if they are the same then, their owners changed them",
        )


def unpack(archive: Path) -> None:
    """Unpack a zip archive beside itself, all or nothing. Nothing that stands there is touched.

    Raises:
        DataError: It is damaged, holds more than the disk, a path that leaves the folder, a link, or a name
            twice; or something else stands where its content belongs.
    """
    folder = archive.parent
    temporary = folder / f".{archive.name}.unpacking"
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                _check_member(archive, member, temporary)
            if len({member.filename for member in members}) < len(members):
                raise ValueError("it holds a name twice")
            names = sorted({member.filename.partition("/")[0] for member in members})
            missing = [name for name in names if not _is_unpacked(folder, name, members)]
            check_bytes(
                sum(member.file_size for member in members) if missing else 0,
                f"{archive}, unpacked,",
                DataError,
                most=shutil.disk_usage(folder).free,
            )
            # Its name is ours alone, and what is left of a kill.
            shutil.rmtree(temporary, ignore_errors=True)
            content.extractall(temporary, [m for m in members if m.filename.partition("/")[0] in missing])
        for name in missing:
            (temporary / name).replace(folder / name)
    except (BenchError, OSError):
        raise
    except Exception as error:  # damaged archives raise almost anything
        pass_on_shortage(error)
        raise DataError(
            f"{archive} is damaged: {error}", hint=f"{move_aside(archive)}, and fetch again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_unpacked(folder: Path, name: str, members: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether what an archive holds under a name stands in a folder already, byte for byte.

    Raises:
        DataError: Something else stands there: it may be the user's own.
    """
    place = folder / name
    if not os.path.lexists(place):
        return False
    for member in members:
        path = folder / member.filename
        if member.filename.partition("/")[0] != name or member.is_dir():
            continue
        if path.is_symlink() or not path.is_file() or _crc(path) != member.CRC:
            raise DataError(
                f"{place} is not as the archive has it: {member.filename} is missing, or another file",
                needed=f"nothing called {name}, or what was unpacked there",
                hint=f"{move_aside(place)}, and fetch again",
            )
    return True


def _crc(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total = zlib.crc32(chunk, total)
    return total


def _check_member(archive: Path, member: zipfile.ZipInfo, folder: Path) -> None:
    target = (folder / member.filename).resolve()
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or "\\" in member.filename or not target.is_relative_to(folder.resolve()):
        raise DataError(
            f"{archive} holds {member.filename!r}, which leads out of its folder",
            needed="an archive of plain files",
            hint="don't use this archive; tell whoever offers it",
        )
