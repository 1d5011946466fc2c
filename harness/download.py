"""The one download: continued where it was cut, checked, and whole or not there at all."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import BenchError
from .files import atomic_write, sha256_of_file, storage_error

#: Called with a file's name, the bytes that are here, and the bytes in all (0 where the server won't say).
DownloadProgress = Callable[[str, int, int], None]

_CHUNK = 1 << 20


class DownloadError(BenchError):
    """A file that can't be had from its address, or is another one by now."""


def download(url: str, target: Path, *, sha256: str = "", progress: DownloadProgress | None = None) -> None:
    """Bring the file at ``url`` to ``target``; nothing is done where it is there already.

    What arrived of an interrupted download is kept beside it, and continued by the next call.

    Args:
        url: Where it is.
        target: Where it belongs; the folder is made.
        sha256: Digest of its bytes, or as many leading digits as are known; empty where none are.
        progress: Called now and then.

    Raises:
        DownloadError: The server can't be reached, breaks off, or gives another file.
        StorageError: The folder can't be written to.
    """
    try:
        if target.exists() and _is_it(target, sha256):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        if not (sha256 and part.exists() and _is_it(part, sha256)):
            was_resumed = _continue(url, part, target.name, progress)
            if was_resumed and not _is_it(part, sha256):
                part.unlink()  # the beginning was of another file
                _continue(url, part, target.name, progress)
        if not _is_it(part, sha256):
            found = f"{url} is not what it should be: its sha256 is {sha256_of_file(part)}"
            part.unlink()
            raise DownloadError(
                found,
                needed=f"sha256 {sha256}",
                hint="the same command again, or another network",
            )
        with part.open("rb") as source, atomic_write(target) as file:
            shutil.copyfileobj(source, file)
        part.unlink()
    except OSError as error:
        raise storage_error(target, error) from error


def _is_it(path: Path, sha256: str) -> bool:
    return not sha256 or sha256_of_file(path).startswith(sha256)


def _continue(url: str, part: Path, name: str, progress: DownloadProgress | None) -> bool:
    """Fetch what is missing of ``part``; says whether there was something of it before."""
    here = part.stat().st_size if part.exists() else 0
    with _answer(url, here) as response:
        if response is None:  # nothing lies beyond what is here: it is whole, or of another file
            part.unlink()
            return _continue(url, part, name, progress)
        if response.status != 206:  # a server that can't continue sends everything
            here = 0
        was_resumed = here > 0
        length = int(response.headers.get("Content-Length") or 0)
        total = here + length if length else 0
        with part.open("ab" if here else "wb") as file:
            while chunk := _chunk(response, url):
                file.write(chunk)
                here += len(chunk)
                if progress is not None:
                    progress(name, here, total)
    if progress is not None and not total:
        progress(name, here, here)
    if here < total:
        raise _unreachable(url, f"the connection ended after {here} of {total} bytes")
    return was_resumed


# Trouble with the server is told apart from a full disk, which is an OSError too.


class _Nothing:
    """The answer to a range beyond the end."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _answer(url: str, start: int) -> Any:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            error.close()
            return _Nothing()
        raise _unreachable(url, error) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def _chunk(response: Any, url: str) -> bytes:
    try:
        content: bytes = response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error
    return content


def _unreachable(url: str, reason: object) -> DownloadError:
    return DownloadError(
        f"{url} can't be downloaded: {reason}",
        needed="a connection to it",
        hint="the same command again goes on where it stopped; or download by hand",
    )
