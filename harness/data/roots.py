"""Where the raw files of several data sets are, and where prepared ones are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import platformdirs


def root_of(dataset: str, roots: Mapping[str, Path]) -> Path | None:
    """The folder of one data set.

    Args:
        dataset: Its name.
        roots: Folders by name; the one called ``""`` is for all others, and holds either the files or a
            folder with the data set's name.
    """
    common = roots.get("")
    if common is not None and (common / dataset).exists():
        common = common / dataset
    return roots.get(dataset, common)


def default_cache() -> Path:
    """The cache folder of this user: prepared images, features, weights."""
    return platformdirs.user_cache_path("hagan-bench")
