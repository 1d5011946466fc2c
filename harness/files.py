"""The one way in which anything is written to disk: whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import os
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from .errors import StorageError

_SEAL: Final = "sha256"
"""Where a JSON object keeps the digest of everything else in it."""
_JSON_BYTES: Final = 1 << 28
_guards: dict[Path, Callable[[], None]] = {}


@contextmanager
def guarding(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Ask ``check`` before a file appears in a folder; what it raises keeps the file out."""
    home = folder.resolve()
    before = _guards.get(home)
    _guards[home] = check
    try:
        yield
    finally:
        if before is None:
            del _guards[home]
        else:
            _guards[home] = before


@contextmanager
def atomic_write(path: Path, *, keep: Path | None = None, new_folder: bool = True) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at ``path`` complete and synced, or not at all.

    Args:
        path: Where the file will be; nothing but a file is replaced.
        keep: Where to move the file that stands at ``path`` so far; None replaces it.
        new_folder: Whether to make its folder. A run's is made once: whoever removed it since meant it.

    Raises:
        StorageError: The disk is full, the folder can't be written to, or what is there is no file.
    """
    try:
        for place in (path, keep) if keep is not None else (path,):
            _check_replaceable(place)
        if new_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    temporary, check = Path(name), _guards.get(path.parent.resolve())
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; a result is as readable as any other file.
        temporary.chmod(0o666 & ~_umask())
        if check is not None:
            check()
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        # Whoever took the folder over removes what is half written there: that is no fault of the disk.
        if isinstance(error, FileNotFoundError) and check is not None:
            check()
        raise storage_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_replaceable(path: Path) -> None:
    """Refuse to put a file in the place of a device, a pipe or a folder: root could."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError:
        if not path.is_symlink():
            raise
        mode, kind = stat.S_IFLNK, "a link that leads nowhere"
    else:
        kind = kind_of_file(mode)
    if not stat.S_ISREG(mode):
        is_movable = stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
        raise StorageError(
            f"cannot write {path}: it is no file but {kind}",
            needed="the name of a file, new or not",
            hint=f"{move_aside(path)}, or another name" if is_movable else "another name",
        )


def kind_of_file(mode: int) -> str:
    """What a path is, by its mode, in words."""
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((words for is_kind, words in kinds.items() if is_kind(mode)), "a device")


def is_partial(path: Path) -> bool:
    """Whether a kill left this of a file half written."""
    return path.name.startswith(".") and path.name.endswith(".part")


def clear_partial(folder: Path) -> None:
    """Remove what kills left of files half written. Nobody else may be writing in the folder."""
    for part in folder.iterdir():
        if is_partial(part) and not part.is_dir():
            part.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, new_folder: bool = True) -> None:
    """Write ``value`` as readable JSON. NaN and infinity are refused: they are not JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path, new_folder=new_folder) as file:
        # A path that is no UTF-8 has half characters, whose escape is JSON's too.
        file.write(text.encode(errors="backslashreplace") + b"\n")


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the digest of everything in it, by which whoever reads it back knows it is whole."""
    return {**content, _SEAL: sha256_of_json(content)}


def unsealed(content: Any) -> dict[str, Any]:
    """What was sealed, without its seal.

    Raises:
        ValueError: It bears no seal, or was damaged or edited since.
    """
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    rest = {name: value for name, value in content.items() if name != _SEAL}
    if content.get(_SEAL) != sha256_of_json(rest):
        raise ValueError("it is not what was written")
    return rest


def open_file(path: Path) -> io.BufferedReader:
    """Open a file to read it; what would wait for ever or never end, a pipe or a device, is refused.

    Raises:
        OSError: It can't be opened, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is no file but {kind_of_file(mode)}", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, *, most: int | None = None) -> bytes:
    """What a file holds.

    Raises:
        OSError: It can't be opened, is no file, or holds more than ``most`` bytes.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it holds {size:,} bytes, and {most:,} at most were meant", str(path))
        return file.read()


def read_json(path: Path) -> Any:
    """What a file of JSON holds.

    Raises:
        OSError: It can't be opened, is no file, or larger than any of ours.
        ValueError: It is no JSON.
    """
    try:
        return json.loads(read_file(path, most=_JSON_BYTES))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file's content, as hexadecimal digits."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(value: Any) -> str:
    """The sha256 of canonical JSON: keys sorted, no white space, so the order of options is no identity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_aside(path: Path) -> str:
    """A command that takes ``path`` out of the way and deletes nothing, quoted so that it may be pasted."""
    return typed("mv", path, f"{path}.aside")


def leave_aside(path: Path) -> Path:
    """Rename what can't be believed; returns its new path.

    Raises:
        StorageError: It can't be renamed.
    """
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.aside-{number}")
        if not os.path.lexists(aside):
            break
    try:
        return path.rename(aside)
    except OSError as error:
        raise storage_error(path, error) from error


def typed(*words: object) -> str:
    """A command as it may be pasted into a shell, whatever its words hold."""
    return shlex.join(map(str, words))


def storage_error(path: Path, error: OSError) -> StorageError:
    """Turn the system's refusal to write ``path`` into the user's error."""
    folder = shlex.quote(str(path.parent))
    return StorageError(
        f"cannot write {path}: {error.strerror or error}",
        needed="a folder that can be written to, with free space",
        hint=f"df -h {folder}; ls -ld {folder}; or name another folder",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
