"""The benchmark's core: it trains, scores and records, and knows no model, data set or metric by name.

A plugin's entry point imports from here what it needs to announce itself. That stays apart from
``harness.api`` because an entry point is imported for every ``bench --help``, and the api imports numpy.
"""

from typing import Any, Protocol

import pluggy

__all__ = ["Register", "hookimpl"]

hookimpl = pluggy.HookimplMarker("harness")


class Register(Protocol):
    """Names something without importing it."""

    def __call__(self, name: str, target: str, *, summary: str = "", **options: Any) -> None:
        """Make ``target``, ``"package.module:Class"``, known as ``name``.

        ``options`` are passed to the class by keyword when it is made (metrics and features only).
        """
        ...
