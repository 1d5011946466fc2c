"""What plugins are made of: as long as that stays, what they said of themselves is true."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from .files import sha256_of_json
from .installed import versions_of
from .plugins import Kind, current

SOURCES = ("*.py", "*.so", "*.pyd")


def sources_digest() -> str:
    """What plugins, and all that completes a request, are made of: names, sizes and times of their files."""
    registry = current()
    entries = [entry for kind in get_args(Kind) for entry in registry.entries(kind)]
    packages = {"harness", *(entry.target.partition(":")[0].partition(".")[0] for entry in entries)}
    return sha256_of_json(
        {
            "python": platform.python_version(),
            "versions": versions_of(("pydantic", "pluggy")),
            "entries": sorted((entry.name, entry.target, entry.distribution) for entry in entries),
            "files": [list(file) for package in sorted(packages) for file in _files(package)],
        }
    )


def _files(package: str) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of every file of a package's source."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    found = [path for folder in folders for pattern in SOURCES for path in folder.rglob(pattern)]
    if not folders and spec.origin is not None:
        found = [Path(spec.origin)]
    for path in sorted(found):
        try:
            status = path.stat()
        except OSError:
            continue
        yield str(path), status.st_size, status.st_mtime_ns
