"""Versions of what is installed beside the benchmark."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """The version of each of these distributions; one that is not installed is left out."""
    found = {}
    for distribution in distributions:
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
