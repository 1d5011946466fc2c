"""Plans that are known: made once, kept in the cache, and believed while nothing that they rest on changed.

A plan rests on the grid and its options, on the source of every plugin, and on the raw files. So a grid of
ten thousand cells is listed and found in a queue without torch. Before a cell is started, all is identified
anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from .. import plugins
from ..data.roots import root_of
from ..errors import BenchError
from ..files import atomic_write, read_file, sha256_of_json
from ..plugin_sources import sources_digest
from ..running.datasets import open_dataset
from .definition import Grid
from .helper import identify, in_helper
from .planned import GridOptions, Identified, Source

FOLDER = "plans"
DIGITS = 32


@dataclass(frozen=True)
class _Kept:
    """A plan with the digest of the sources that it was made by."""

    made_by: str
    identified: Identified


_KEPT = TypeAdapter(_Kept)


def known_or_new(
    grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool
) -> tuple[Identified, bool]:
    """What the cells of a grid are, and whether it was known; what is new is kept.

    Args:
        grid: The experiment.
        options: What the user added.
        results: Results folder.
        cache: Cache folder, where plans are kept.
        check: Make sure that the cells can be run, where they are identified anew.

    Raises:
        BenchError: As ``harness.grid.plan.identify``.
    """
    path = _path(grid, options, results, cache)
    if (known := _read(path)) is not None:
        return known, True
    return _identify(path, grid, options, results, cache, check=check), False


def check_known(known: Identified, grid: Grid, options: GridOptions, results: Path, cache: Path) -> None:
    """Make sure that known cells can be run, and are what they were.

    Raises:
        BenchError: As ``harness.grid.plan.identify``, or they are other cells by now.
    """
    path = _path(grid, options, results, cache)
    if _identify(path, grid, options, results, cache, check=True) != known:
        raise BenchError(
            f"the cells of grid {grid.name} are not what they were when it was planned",
            needed="plugins and raw files that stay as they are meanwhile",
            hint="the same command again",
        )


def _identify(
    path: Path, grid: Grid, options: GridOptions, results: Path, cache: Path, *, check: bool
) -> Identified:
    made_by = sources_digest()
    found = in_helper(identify, grid, options, results, cache, check=check)
    try:
        content = _KEPT.dump_json(_Kept(made_by, found))
        with atomic_write(path) as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    except (BenchError, ValueError):
        pass  # where nothing can be kept, the next command takes as long as this one
    return found


def _read(path: Path) -> Identified | None:
    """The plan that is kept there; None where there is none that can be believed."""
    try:
        digest, _, content = read_file(path).partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        kept = _KEPT.validate_json(content)
    except (OSError, ValueError):
        return None
    if kept.made_by != sources_digest() or not all(map(_is_unchanged, kept.identified.sources)):
        return None
    return kept.identified


def _is_unchanged(source: Source) -> bool:
    """Whether raw files are what they were, or still not at hand."""
    fingerprint: str | None
    try:
        kind = plugins.current().load("datasets", source.dataset)
        config = kind.Config(**source.config)
        fingerprint = open_dataset(source.dataset, kind, config, source.root, source.pair).fingerprint()
    except (BenchError, ValueError):
        fingerprint = None
    return fingerprint == source.fingerprint


def _path(grid: Grid, options: GridOptions, results: Path, cache: Path) -> Path:
    """Where the plan of a grid with these options is kept."""
    asked = {
        "grid": grid.model_dump(mode="json", exclude={"resources", "table", "title"}),
        "presets": options.presets,
        "settings": dict(options.settings),
        # Whether a root holds a folder of the data set's name is the file system's to say.
        "roots": [str(root_of(name, options.roots)) for name in grid.datasets],
        "weights": [str(path.absolute()) for path in options.weights],
        "skip_bad": options.skip_bad,
        "device_memory": options.device_memory,
        "results": str(results.absolute()),
        "here": str(Path.cwd()),
        "cache": str(cache.absolute()),
    }
    return cache / FOLDER / sha256_of_json(asked)[:DIGITS]
