"""Arrays in .npy and .npz files, of which nothing is read before its header says that it fits."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..api import ScoreError
from ..limits import check_count, check_memory
from ..shortage import pass_on_shortage

_SUFFIX = ".npy"
_HEADER_BYTES = 1 << 17


class Header(NamedTuple):
    """What a stored array says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """What its content takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def headers_of(path: Path) -> Mapping[str, Header]:
    """What each array of a file is, by name; that of a ``.npy`` file has none.

    Raises:
        ScoreError: It is no such file, is damaged, or an array is larger than what is stored.
    """
    with _told(path), _contents(path) as contents:
        check_count(len(contents), f"arrays in {path}", ScoreError)
        return {name: _header(open_(), size) for name, (open_, size) in contents.items()}


def read_array(path: Path, name: str) -> NDArray[Any]:
    """One array of a file.

    Raises:
        ScoreError: It is damaged, holds pickled objects, or takes more memory than there is.
    """
    header = headers_of(path)[name]
    check_memory(header.bytes, f"{path} {name}".strip(), ScoreError)
    with _told(path), _contents(path) as contents, contents[name][0]() as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def _contents(path: Path) -> Iterator[dict[str, tuple[Any, int]]]:
    """For each array, what opens it and its bytes with the header."""
    if path.suffix.lower() == _SUFFIX:
        yield {"": (lambda: path.open("rb"), path.stat().st_size)}
        return
    with zipfile.ZipFile(path) as archive:
        yield {
            info.filename.removesuffix(_SUFFIX): (lambda info=info: archive.open(info), info.file_size)
            for info in archive.infolist()
            if info.filename.endswith(_SUFFIX)
        }


def _header(file: IO[bytes], size: int) -> Header:
    with file:
        # Its length stands in it, and is not believed.
        head = io.BytesIO(file.read(_HEADER_BYTES))
    is_first = np.lib.format.read_magic(head) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(head)
    header = Header(shape, dtype)
    left = size - head.tell()
    if min(shape, default=0) < 0 or (header.bytes > left and not dtype.hasobject):
        raise ValueError(f"its header says {dtype} {shape}, and {left:,} bytes are there")
    return header


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except ScoreError:
        raise
    except Exception as error:  # headers are parsed as Python and raise what that raises
        pass_on_shortage(error)
        raise ScoreError(f"{path} can't be read as an array: {error}", needed="np.save of uint8") from error
