"""What plugins said when a table asked them, kept while their sources stay the same.

A table asks which scores a metric gives, which version a model has, which cells a grid means. Models and
metrics need torch to be asked. So what they said is kept in the cache, and the next table does without both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ..errors import BenchError
from ..files import read_json, sealed, sha256_of_json, unsealed, write_json
from ..plugin_sources import sources_digest

NAME = "plugins.json"

_memory: ContextVar[_Memory | None] = ContextVar("memory", default=None)


class _Memory:
    """Answers by the digest of their question."""

    def __init__(self, path: Path) -> None:
        self.path, self.made_by = path, sources_digest()
        self.answers: dict[str, Any] = {}
        self.is_new = False
        try:
            content = unsealed(read_json(path))
            if content["made_by"] == self.made_by:
                self.answers = dict(content["answers"])
        except (OSError, ValueError, LookupError, TypeError):
            pass  # nothing is remembered

    def keep(self) -> None:
        """Write down what was learnt."""
        try:
            write_json(self.path, sealed({"made_by": self.made_by, "answers": self.answers}))
        except (BenchError, ValueError):
            pass  # where nothing can be kept, the next table asks again


@contextmanager
def remembering(cache: Path) -> Iterator[None]:
    """Within the context, ask plugins only what they have not been asked before.

    Args:
        cache: Cache folder.
    """
    memory = _Memory(cache / NAME)
    before = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(before)
        if memory.is_new:
            memory.keep()


def remembered(question: str, about: Mapping[str, Any], find: Callable[[], Any]) -> Any:
    """The answer to a question about plugins.

    Args:
        question: Its name.
        about: What it is about, in plain values.
        find: Asks the plugins; the answer is JSON.
    """
    memory = _memory.get()
    if memory is None:
        return find()
    key = f"{question} {sha256_of_json(dict(about))[:32]}"
    if key not in memory.answers:
        memory.answers[key] = find()
        memory.is_new = True
    return memory.answers[key]
