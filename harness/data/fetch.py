"""Download the raw files of a data set: resumable, checked, and unpacked nowhere but where they belong."""

from __future__ import annotations

import http.client
import logging
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch

from ..api import BenchError, DataError, Dataset, RemoteFile
from ..files import storage_error

#: Called with a file's name, the bytes that are here, and the bytes in all (0 where the server won't say).
FetchProgress = Callable[[str, int, int], None]

_CHUNK = 1 << 20


def fetch(kind: type[Dataset], name: str, root: Path, *, progress: FetchProgress | None = None) -> None:
    """Download what is missing of a data set into ``root`` and check the content of the whole.

    What arrived of an interrupted file is kept, and continued by the next call.

    Args:
        kind: The data set's class, which says where its files are.
        name: Its registered name.
        root: The folder that becomes the data root.
        progress: Called now and then.

    Raises:
        DataError: The data set can't be downloaded by anybody, the connection failed, or the content is
            not what it should be.
        StorageError: The folder can't be written.
    """
    if not kind.remote:
        raise DataError(
            f"{name} can't be downloaded without asking its owners",
            hint=kind.obtain or "look for its home page",
        )
    # pooch announces each download on standard error; here the caller does.
    pooch.get_logger().setLevel(logging.ERROR)
    for file in kind.remote:
        target = root / file.path
        try:
            _download(file, target, progress)
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


def _download(file: RemoteFile, target: Path, progress: FetchProgress | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    known = f"sha256:{file.sha256}" if file.sha256 else None
    try:
        pooch.retrieve(file.url, known, target.name, target.parent, downloader=_Resuming(target, progress))
    except ValueError as error:
        raise DataError(
            f"{file.url} is not what it should be: {error}", hint="the same command again, or another network"
        ) from error


class _Resuming:
    """Downloads for pooch, continuing what an earlier attempt left."""

    def __init__(self, target: Path, progress: FetchProgress | None) -> None:
        self.name = target.name
        self.part = target.with_name(f".{target.name}.part")
        self.progress = progress

    def __call__(self, url: str, output_file: Any, pooch_: Any) -> None:
        try:
            self._continue(url)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not self.part.exists():
                raise _unreachable(url, error) from error
            # Nothing lies beyond what is here: it is of another file. Once more, from the start.
            self.part.unlink()
            self(url, output_file, pooch_)
            return
        shutil.move(self.part, output_file)

    def _continue(self, url: str) -> None:
        here = self.part.stat().st_size if self.part.exists() else 0
        with self._answer(url, here) as response:
            if response.status != 206:  # a server that can't continue sends everything
                here = 0
            length = int(response.headers.get("Content-Length") or 0)
            total = here + length if length else 0
            with self.part.open("ab" if here else "wb") as file:
                while chunk := self._chunk(response, url):
                    file.write(chunk)
                    here += len(chunk)
                    if self.progress is not None:
                        self.progress(self.name, here, total)
        if here < total:
            raise _unreachable(url, f"the connection ended after {here} of {total} bytes")

    # Trouble with the server is told apart from a full disk, which is an OSError too.

    def _answer(self, url: str, start: int) -> Any:
        request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            return urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error

    def _chunk(self, response: Any, url: str) -> bytes:
        try:
            content: bytes = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error
        return content


def _unreachable(url: str, reason: object) -> DataError:
    return DataError(
        f"{url} can't be downloaded: {reason}",
        needed="a connection to it",
        hint="the same command again goes on where it stopped; or download by hand",
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
