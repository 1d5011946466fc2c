"""What a machine lacks, told apart from what is wrong with a file.

Damaged files make libraries raise almost anything, so whoever reads one takes any exception for damage. A
shortage of memory or of open files is none: the same file is whole the next time.
"""

from __future__ import annotations

import errno
from typing import Final

OF_THE_MACHINE: Final = {
    getattr(errno, name)
    for name in "ENOSPC EDQUOT EFBIG EIO EROFS ESTALE EMFILE ENFILE ENOMEM ENOLCK ETIMEDOUT".split()
    if hasattr(errno, name)
}
"""What a full disk, a lost connection or a limit say, whichever file they meet."""
_WORDS: Final = ("can't allocate memory", "not enough memory", "out of memory", "can't start new thread")
"""How torch and Python tell it by a RuntimeError."""


def pass_on_shortage(error: BaseException) -> None:
    """Raise ``error`` again where it tells of the machine: the first line of whoever takes it for damage.

    Raises:
        MemoryError: There is no memory left.
        OSError: No further file may be opened.
    """
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number in (errno.EMFILE, errno.ENFILE):
        raise error
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
    if told or number == errno.ENOMEM:
        raise MemoryError(str(error).partition("\n")[0]) from error
