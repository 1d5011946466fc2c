"""What a cell is: a model, a data set, a resolution, a seed and a protocol, fully resolved.

A ``RunRequest`` is what somebody typed. Resolving it fills in every default, so that a ``RunSpec`` says
all that the result depends on; the hash of that is the cell's identity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .api import Dataset, Model, PluginConfig, Synthesizer, setting
from .errors import PluginError, SpecError
from .files import sha256_of_json
from .plugins import Registry, unknown_name

ConfigT = TypeVar("ConfigT", bound=PluginConfig)

PROTOCOL_VERSION = 1
"""Raised whenever the training loop or the evaluation gives other numbers for the same spec."""

CORE_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 4, "evaluate_every": 2, "limit": 64, "batch_size": 16, "metrics": "swd,ms_ssim"},
}
"""Presets that make sense for every model; a model may bring its own."""


class Protocol(PluginConfig):
    """How a cell is trained and scored, whatever the model."""

    epochs: int = setting(
        500, "training length", unit="epochs", source="ours: the length is not published", ge=1
    )
    batch_size: int = setting(
        0, "images per step; 0 means 32 below 256 px and 2 from there on", unit="images",
        source="published: IV-A, 32 at low and 2 at high resolution", ge=0,
    )  # fmt: skip
    evaluate_every: int = setting(
        10, "distance between evaluations; the best one counts", unit="epochs",
        source="ours: 'selected the best performance', IV-A, names no interval", ge=1,
    )  # fmt: skip
    metrics: str = setting(
        "fid,kid,swd,ms_ssim", "scores, comma separated; the first one selects the best evaluation",
        source="published: FID alone; ours: the others",
    )  # fmt: skip
    samples: int = setting(
        0, "images generated for an evaluation; 0 means as many as real training images", unit="images",
        source="published: 'an equal number of real images', IV-A", ge=0,
    )  # fmt: skip
    held_out: bool = setting(
        False,
        "keep the test patients apart and score against them too",
        source="published: trains on all images",
    )
    limit: int = setting(
        0, "train on a seeded subset of so many images, spread over patients; 0 means all", unit="images",
        source="ours: for trials", ge=0,
    )  # fmt: skip
    channels: Literal[1, 3] = setting(
        3, "channels of a model's images; 3 replicates grey", source="inferred: Table I"
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = setting(
        "auto", "arithmetic of the training step; auto means tf32 on CUDA and fp32 elsewhere", source="ours"
    )

    def metric_names(self) -> tuple[str, ...]:
        """The metrics in the order asked for."""
        return tuple(name.strip() for name in self.metrics.split(",") if name.strip())


class Part(BaseModel):
    """A plugin with the config it was made with."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    config: dict[str, Any]


class DatasetPart(Part):
    """A data set, told apart from others of its name by the content of its raw files."""

    fingerprint: str


class RunSpec(BaseModel):
    """One cell, resolved."""

    model_config = ConfigDict(frozen=True)

    model: Part
    dataset: DatasetPart
    resolution: int
    seed: int
    protocol: Protocol

    @cached_property
    def identity(self) -> str:
        """sha256 of all that changes the result.

        Only the first metric steers training (it selects the best evaluation); the others merely look,
        so asking for one more does not make another cell.
        """
        content = self.model_dump(mode="json")
        content["protocol"]["metrics"] = self.protocol.metric_names()[0]
        return sha256_of_json({**content, "protocol_version": PROTOCOL_VERSION})

    @property
    def folder_name(self) -> str:
        """Name of the cell's folder."""
        return f"{self.model.name}-{self.dataset.name}-{self.resolution}-s{self.seed}-{self.identity[:8]}"


@dataclass(frozen=True)
class RunRequest:
    """What a user asked for; everything left out takes its default.

    Attributes:
        settings: Overrides by name: fields of ``Protocol``, of the model's config, or, as
            ``dataset.NAME``, of the data set's. Text values are read as JSON where they are JSON.
        presets: Names of presets, applied in order before ``settings``.
    """

    model: str
    dataset: str
    resolution: int
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    data_root: Path | None = None


@dataclass(frozen=True)
class Cell:
    """A resolved spec with the plugins that it names."""

    spec: RunSpec
    model: type[Synthesizer]
    model_config: PluginConfig
    dataset: Dataset


def resolve(request: RunRequest, registry: Registry, fingerprints: dict[Any, str] | None = None) -> Cell:
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
    model = load_synthesizer(registry, request.model)
    dataset: type[Dataset] = registry.load("datasets", request.dataset)
    check_resolution(request.model, model, request.resolution)
    overrides: dict[str, Any] = {}
    for preset in request.presets:
        overrides |= preset_settings(preset, request.model, model)
    overrides |= request.settings
    protocol_part, model_part, dataset_part = _sort(overrides, request, model, dataset)

    protocol = validate(Protocol, protocol_part, "protocol")
    if protocol.batch_size == 0:
        protocol = protocol.model_copy(update={"batch_size": 32 if request.resolution < 256 else 2})
    if not protocol.metric_names():
        raise SpecError("no metric was named", needed="at least one", hint="bench list metrics")
    for metric in protocol.metric_names():
        registry.entry("metrics", metric)
    model_config = validate(model.Config, model_part, f"model {request.model}")
    instance = make_dataset(registry, request.dataset, dataset_part, request.data_root)
    fingerprints = {} if fingerprints is None else fingerprints
    files = (request.dataset, request.data_root, instance.config.model_dump_json())
    if files not in fingerprints:
        fingerprints[files] = instance.fingerprint()
    spec = RunSpec(
        model=Part(name=request.model, version=model.version, config=model_config.model_dump(mode="json")),
        dataset=DatasetPart(
            name=request.dataset,
            version=dataset.version,
            config=instance.config.model_dump(mode="json"),
            fingerprint=fingerprints[files],
        ),
        resolution=request.resolution,
        seed=request.seed,
        protocol=protocol,
    )
    return Cell(spec, model, model_config, instance)


def load_synthesizer(registry: Registry, name: str) -> type[Synthesizer]:
    """The class of a model that makes images from noise.

    Raises:
        SpecError: No such model.
        PluginError: It can't be loaded, or is something else.
    """
    model = registry.load("models", name)
    if not (isinstance(model, type) and issubclass(model, Synthesizer)):
        raise PluginError(f"model {name} is {model!r}", needed="a class of harness.api.Synthesizer")
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
            needed="values in their range",
            hint=f"bench show {owner}" if " " in owner else "bench run --help",
        ) from error


def make_dataset(
    registry: Registry, name: str, settings: Mapping[str, Any], data_root: Path | None
) -> Dataset:
    """The data set called ``name`` with these options, on these raw files.

    Raises:
        SpecError: No such data set or option, a value out of range, or no data root where one is needed.
    """
    kind: type[Dataset] = registry.load("datasets", name)
    for option in settings:
        if option not in kind.Config.model_fields:
            known = kind.Config.model_fields
            raise unknown_name(f"setting of dataset {name}", option, known, hint=f"bench show dataset {name}")
    config = validate(kind.Config, settings, f"dataset {name}")
    if kind.needs_root and data_root is None:
        raise SpecError(
            f"dataset {name} needs a folder with its raw files",
            needed="--data-root DIR",
            hint=f"bench show dataset {name} tells how to get them",
        )
    return kind(data_root, config)


def preset_settings(name: str, model_name: str, model: type[Model]) -> Mapping[str, Any]:
    """The settings of a preset: the core's, the model's, or the core's with what the model adds to them.

    Raises:
        SpecError: There is none of that name.
    """
    known = {*CORE_PRESETS, *model.presets}
    if name not in known:
        raise unknown_name(
            f"preset of model {model_name}", name, known, hint=f"bench show model {model_name}"
        )
    return {**CORE_PRESETS.get(name, {}), **model.presets.get(name, {})}


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
            raise unknown_name("setting", name, everything, hint=f"bench show model {request.model}")
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
