"""A data set of a cell: its options and its pair of modalities, checked, on the raw files that were named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import plugins
from ..api import Dataset, Pair, PluginConfig
from ..errors import SpecError
from ..plugins import unknown_name
from ..values import read_value, validate

DATASET_PREFIX = "dataset."
"""What the names of a data set's settings begin with."""


def dataset_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are all a data set's, where their names may bear its prefix or not."""
    return {name.removeprefix(DATASET_PREFIX): read_value(value) for name, value in settings.items()}


def make_dataset(
    name: str, settings: Mapping[str, Any], data_root: Path | None, pair: Pair | None = None
) -> Dataset:
    """The data set called ``name`` with these options, on these raw files.

    Raises:
        SpecError: No such data set, option or pair, a value out of range, or no data root where one is
            needed.
    """
    kind: type[Dataset] = plugins.current().load("datasets", name)
    return open_dataset(name, kind, dataset_config(name, kind, settings, pair), data_root, pair)


def dataset_config(
    name: str, kind: type[Dataset], settings: Mapping[str, Any], pair: Pair | None
) -> PluginConfig:
    """The options of a data set, of which a pair may be asked; no file is touched.

    Raises:
        SpecError: No such option or pair, or a value out of range.
    """
    known = kind.Config.model_fields
    for option in settings:
        if option not in known:
            raise unknown_name(f"setting of dataset {name}", option, known, hint=f"bench show dataset {name}")
    if pair is not None:
        _check_modalities(name, kind, pair)
    return validate(kind.Config, settings, f"dataset {name}")


def open_dataset(
    name: str, kind: type[Dataset], config: PluginConfig, data_root: Path | None, pair: Pair | None
) -> Dataset:
    """The data set on its raw files.

    Raises:
        SpecError: It needs a folder, and none was named.
    """
    if kind.needs_root and data_root is None:
        raise SpecError(
            f"dataset {name} needs a folder with its raw files",
            needed="--data-root DIR",
            hint=f"bench show dataset {name} tells how to get them",
        )
    dataset = kind(data_root, config)
    return dataset if pair is None else dataset.paired(pair)


def _check_modalities(name: str, kind: type[Dataset], pair: Pair) -> None:
    if not kind.modalities:
        raise SpecError(
            f"dataset {name} has no pairs of modalities",
            needed="a data set with several of the same slices",
            hint="bench list datasets",
        )
    for modality in pair:
        if modality not in kind.modalities:
            raise unknown_name(
                f"modality of dataset {name}", modality, kind.modalities, hint=f"bench show dataset {name}"
            )
    if pair.source == pair.target:
        others = [modality for modality in kind.modalities if modality != pair.source]
        raise SpecError(
            f"source and target are both {pair.source}",
            needed="two modalities",
            hint=f"--source {pair.source} --target {others[0]}",
        )
