"""The raw files of a data set, downloaded, checked, and unpacked nowhere but where they belong."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

from ..api import BenchError, DataError, Dataset
from ..download import DownloadProgress, download
from ..files import storage_error


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
            hint=f"rm -r '{root}' and fetch again; if they are the same then, their owners changed them",
        )


def unpack(archive: Path) -> None:
    """Unpack a zip archive beside itself, all or nothing.

    Raises:
        DataError: It is damaged, or holds a path that leaves the folder, a link, or a name twice.
    """
    folder = archive.parent
    temporary = folder / f".{archive.name}.unpacking"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                _check_member(archive, member, temporary)
            if len({member.filename for member in members}) < len(members):
                raise ValueError("it holds a name twice")
            content.extractall(temporary)
        for path in sorted(temporary.iterdir()):
            destination = folder / path.name
            if destination.is_dir():
                shutil.rmtree(destination)
            path.replace(destination)
    except (BenchError, OSError):
        raise
    except Exception as error:  # damaged archives raise almost anything
        raise DataError(f"{archive} is damaged: {error}", hint=f"rm '{archive}' and fetch again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_member(archive: Path, member: zipfile.ZipInfo, folder: Path) -> None:
    target = (folder / member.filename).resolve()
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or "\\" in member.filename or not target.is_relative_to(folder.resolve()):
        raise DataError(
            f"{archive} holds {member.filename!r}, which leads out of its folder",
            needed="an archive of plain files",
            hint="don't use this archive; tell whoever offers it",
        )
