"""Where the weights of feature networks come from, and why they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file

from ..api import WeightsError, WeightsFile
from ..download import DownloadError, DownloadProgress, download
from ..files import move_aside, sha256_of_file
from ..limits import check_regular
from ..shortage import pass_on_shortage


@dataclass(frozen=True)
class Weights:
    """Looks for files of weights: where the user says, then in the cache, then where they are published.

    Attributes:
        cache: Folder for downloads, kept between runs.
        given: Files or folders that the user named, searched first. A file may have any name when the
            digest of its content is published; otherwise the name decides.
        online: Whether downloading is allowed.
        progress: Told how far a download is.
    """

    cache: Path
    given: tuple[Path, ...] = ()
    online: bool = True
    progress: DownloadProgress | None = None

    def find(self, file: WeightsFile) -> Path:
        """The path of ``file``, its digest verified; downloaded if need be.

        Raises:
            WeightsError: It can't be had, or is not what it claims.
        """
        present = self.present(file)
        if present is not None:
            return present
        if not (self.online and file.url and file.sha256):  # what can't be verified is not downloaded
            raise _missing(file, self.cache, "is not on this machine")
        target = self.cache / file.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return self._download(file, target)
        except OSError as error:
            raise _missing(file, self.cache, f"can't be kept there: {error.strerror or error}") from error

    def _download(self, file: WeightsFile, target: Path) -> Path:
        with FileLock(target.with_name(f".{file.name}.lock")):
            # Another process may have brought it while this one waited.
            if self.present(file) is None:
                try:
                    download(file.url, target, sha256=file.sha256, progress=self.progress)
                except DownloadError as error:
                    raise _missing(file, self.cache, f"can't be had: {error.found}") from error
        return target

    def present(self, file: WeightsFile) -> Path | None:
        """The path of ``file`` if it is on this machine, else None.

        Raises:
            WeightsError: A file of that name, or one that the user named for it, is something else.
        """
        try:
            return self._found(file)
        except OSError as error:
            raise WeightsError(
                f"{error.filename or file.name} can't be read: {error.strerror or error}",
                needed=f"{file.name}, or a folder that holds it",
                hint="--weights PATH",
            ) from error

    def _found(self, file: WeightsFile) -> Path | None:
        for given in self.given:
            if not given.exists():
                raise WeightsError(f"no weights at {given}", needed=f"{file.name}, or a folder that holds it")
            if given.is_dir() and (given / file.name).exists():
                return _verified(given / file.name, file)
            if given.is_file() and (given.name == file.name or _has_digest(given, file)):
                return _verified(given, file)
        cached = self.cache / file.name
        if cached.exists():
            return _verified(cached, file)
        for given in self.given:
            if given.is_file():
                # Downloading instead would hide that the file the user named was of no use.
                raise _not_it(given, file)
        return None


def load_state(path: Path, file: WeightsFile) -> dict[str, torch.Tensor]:
    """Read tensors by name from ``path``, without ever executing what a pickle may hold.

    Raises:
        WeightsError: The file is truncated, or holds something else than tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        pass_on_shortage(error)
        # Damaged archives and foreign pickles raise a dozen unrelated types.
        raise WeightsError(
            f"{path} cannot be read as weights ({type(error).__name__})",
            needed=f"{file.name}, complete",
            hint=f"{move_aside(path)}, and get it again",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _not_it(path, file)
    return state


def _has_digest(path: Path, file: WeightsFile) -> bool:
    return bool(file.sha256) and sha256_of_file(path).startswith(file.sha256)


def _verified(path: Path, file: WeightsFile) -> Path:
    check_regular(path, WeightsError)
    if file.sha256 and not _has_digest(path, file):
        raise _not_it(path, file)
    return path


def _not_it(path: Path, file: WeightsFile) -> WeightsError:
    return WeightsError(
        f"{path} is not {file.name} (sha256 {sha256_of_file(path)[:12]}..., {path.stat().st_size:,} bytes)",
        needed=f"a file whose sha256 begins with {file.sha256}"
        if file.sha256
        else f"a file called {file.name}",
        hint=f"{_origin(file)}, then name it with --weights PATH",
    )


def _missing(file: WeightsFile, cache: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{file.name} {why}",
        needed="the file itself: nothing computed with other weights may carry this score's name",
        hint=f"{_origin(file)}, then name it with --weights PATH or put it into {cache}; "
        "or choose scores that need no weights, such as --metrics swd,ms_ssim",
    )


def _origin(file: WeightsFile) -> str:
    if not file.url:
        return f"obtain {file.name}"
    renamed = "" if file.url.endswith(f"/{file.name}") else f", keep it as {file.name}"
    unproven = (
        "" if file.sha256 else " (no digest of it is known here; the record keeps the one that is found)"
    )
    return f"download {file.url} where there is a network{unproven}{renamed}"
