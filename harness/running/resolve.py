"""From a request to a cell: every default filled in, every name and value checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ..api import Dataset, Model, Pair, PluginConfig
from ..cell.protocol import CORE_PRESETS, Protocol
from ..cell.spec import DatasetPart, Part, RunRequest, RunSpec, pair_of
from ..errors import PluginError, SpecError
from ..plugins import Registry, unknown_name
from ..tasks import Task, task_of

ConfigT = TypeVar("ConfigT", bound=PluginConfig)


@dataclass(frozen=True)
class ResolvedCell:
    """A resolved spec with the plugins that it names."""

    spec: RunSpec
    model: type[Model]
    model_config: PluginConfig
    dataset: Dataset


def resolve(
    request: RunRequest, registry: Registry, fingerprints: dict[Any, str] | None = None
) -> ResolvedCell:
    """Fill in every default and check every name and value.

    Args:
        request: What was asked for.
        registry: Where its names are found.
        fingerprints: Raw files that were fingerprinted before, for callers with many cells; extended here.

    Raises:
        SpecError: An unknown name or a value out of range.
        PluginError: A plugin that can't be loaded.
        DataError: The data root is missing, empty, or of another data set.
    """
    model = model_class(registry, request.model)
    task = task_of(model)
    dataset: type[Dataset] = registry.load("datasets", request.dataset)
    pair = pair_of(request.source, request.target)
    task.check_pair(pair, request, dataset.modalities)
    check_resolution(request.model, model, request.resolution)
    overrides: dict[str, Any] = {}
    for preset in request.presets:
        overrides |= preset_settings(preset, request.model, model)
    overrides |= request.settings
    protocol_part, model_part, dataset_part = _sort(overrides, request, model, dataset)

    protocol = protocol_of(protocol_part, task, request.resolution)
    if not protocol.metric_names():
        raise SpecError("no metric was named", needed="at least one", hint="bench list metrics")
    for metric in protocol.metric_names():
        registry.entry("metrics", metric)
    model_config = validate(model.Config, model_part, f"model {request.model}")
    instance = make_dataset(registry, request.dataset, dataset_part, request.data_root, pair)
    fingerprints = {} if fingerprints is None else fingerprints
    files = (request.dataset, request.data_root, instance.config.model_dump_json(), pair)
    if files not in fingerprints:
        fingerprints[files] = instance.fingerprint()
    spec = RunSpec(
        model=Part(name=request.model, version=model.version, config=model_config.model_dump(mode="json")),
        dataset=DatasetPart(
            name=request.dataset,
            version=dataset.version,
            config=instance.config.model_dump(mode="json"),
            fingerprint=fingerprints[files],
            pair=pair,
        ),
        resolution=request.resolution,
        seed=request.seed,
        protocol=protocol,
    )
    return ResolvedCell(spec, model, model_config, instance)


def protocol_of(settings: Mapping[str, Any], task: type[Task], resolution: int) -> Protocol:
    """The protocol with these settings, and what they leave open filled in.

    Raises:
        SpecError: A value is out of range or of the wrong kind.
    """
    protocol = task.complete(validate(Protocol, settings, "protocol"))
    if protocol.batch_size == 0:
        protocol = protocol.model_copy(update={"batch_size": 32 if resolution < 256 else 2})
    return protocol


def model_class(registry: Registry, name: str) -> type[Model]:
    """The class of a model.

    Raises:
        SpecError: No such model.
        PluginError: It can't be loaded, or is no model.
    """
    model = registry.load("models", name)
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise PluginError(f"model {name} is {model!r}", needed="a class of harness.api.Model")
    return model


def check_resolution(name: str, model: type[Model], resolution: int) -> None:
    """Refuse an image side that a model's networks can't make."""
    if model.resolutions is not None and resolution not in model.resolutions:
        sides = ", ".join(map(str, model.resolutions))
        raise SpecError(
            f"model {name} can't make {resolution} px images",
            needed=f"one of {sides}",
            hint=f"--res {sides.split(',')[0]}",
        )


def validate(config: type[ConfigT], values: Mapping[str, Any], owner: str) -> ConfigT:
    """Make a config, turning pydantic's complaint into a user's error.

    Raises:
        SpecError: A value is out of range or of the wrong kind.
    """
    try:
        return config(**values)
    except ValidationError as error:
        raise SpecError(
            f"settings of {owner} that can't be: " + "; ".join(_problems(error)),
            needed="values of their kind and range",
            hint=f"bench show {owner}",
        ) from error


def make_dataset(
    registry: Registry,
    name: str,
    settings: Mapping[str, Any],
    data_root: Path | None,
    pair: Pair | None = None,
) -> Dataset:
    """The data set called ``name`` with these options, on these raw files.

    Raises:
        SpecError: No such data set, option or pair, a value out of range, or no data root where one is
            needed.
    """
    kind: type[Dataset] = registry.load("datasets", name)
    for option in settings:
        if option not in kind.Config.model_fields:
            known = kind.Config.model_fields
            raise unknown_name(f"setting of dataset {name}", option, known, hint=f"bench show dataset {name}")
    config = validate(kind.Config, settings, f"dataset {name}")
    if pair is not None:
        _check_modalities(name, kind, pair)
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


def preset_settings(name: str, model_name: str, model: type[Model]) -> Mapping[str, Any]:
    """The settings of a preset: the core's, with what the model's task and the model add to them.

    Raises:
        SpecError: There is none of that name.
    """
    known = {*CORE_PRESETS, *model.presets}
    if name not in known:
        raise unknown_name(
            f"preset of model {model_name}", name, known, hint=f"bench show model {model_name}"
        )
    task = task_of(model)
    return {**CORE_PRESETS.get(name, {}), **task.presets.get(name, {}), **model.presets.get(name, {})}


def _sort(
    overrides: Mapping[str, Any], request: RunRequest, model: type[Model], dataset: type[Dataset]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Hand each override to its owner, by name."""
    if shared := set(Protocol.model_fields) & set(model.Config.model_fields):
        raise PluginError(
            f"model {request.model} has settings of the protocol's names: {', '.join(sorted(shared))}",
            needed="other names in its Config",
        )
    parts: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})
    for name, value in overrides.items():
        prefix, _, rest = name.partition(".")
        if rest and prefix == "dataset":
            owner, key, known = 2, rest, dataset.Config.model_fields
        elif name in Protocol.model_fields:
            owner, key, known = 0, name, Protocol.model_fields
        else:
            owner, key, known = 1, name, model.Config.model_fields
        if key not in known:
            everything = [
                *Protocol.model_fields,
                *model.Config.model_fields,
                *(f"dataset.{field}" for field in dataset.Config.model_fields),
            ]
            about = f"dataset {request.dataset}" if owner == 2 else f"model {request.model}"
            raise unknown_name("setting", name, everything, hint=f"bench show {about}; bench show protocol")
        parts[owner][key] = read_value(value)
    return parts


def read_value(value: Any) -> Any:
    """Text from a command line as JSON where it is JSON: 1e-3, true, null and [1,2] mean themselves."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _problems(error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        yield f"{name}={problem['input']!r}: {problem['msg']}"
