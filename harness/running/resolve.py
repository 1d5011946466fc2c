"""From a request to a cell.

``complete`` fills in every default and checks every name and value without touching a file; ``identify``
adds what only the raw files can tell. A grid's plan, a table and a run all ask here what a request means.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from functools import cached_property

from .. import plugins
from ..api import Dataset, Model, Pair, PluginConfig
from ..cell.protocol import CompleteProtocol, Protocol, complete_protocol
from ..cell.reserved import check_setting_names
from ..cell.spec import DatasetPart, Part, RunRequest, RunSpec, pair_of, terms_of
from ..errors import PluginError, SpecError
from ..limits import SEEDS, check_side
from ..tasks import task_of
from ..values import validate
from .datasets import dataset_config, open_dataset
from .settings import SettingsByOwner, settings_by_owner


@dataclass(frozen=True)
class CompletedRequest:
    """A request with every default filled in; its raw files have not been looked at.

    Attributes:
        named: The settings that somebody named, by owner; everything else is a default.
    """

    request: RunRequest
    model: type[Model]
    model_config: PluginConfig
    dataset: type[Dataset]
    dataset_config: PluginConfig
    pair: Pair | None
    protocol: CompleteProtocol
    named: SettingsByOwner

    @cached_property
    def terms(self) -> str:
        """``RunSpec.terms`` of its cell."""
        return terms_of(self.protocol, self.dataset_config.model_dump(mode="json"))

    def open_dataset(self) -> Dataset:
        """The data set on its raw files.

        Raises:
            SpecError: It needs a folder, and none was named.
        """
        request = self.request
        return open_dataset(request.dataset, self.dataset, self.dataset_config, request.data_root, self.pair)

    def identify(self, fingerprint: str) -> RunSpec:
        """The cell, given the fingerprint of its raw files."""
        request = self.request
        return RunSpec(
            model=Part(
                name=request.model,
                version=self.model.version,
                config=self.model_config.model_dump(mode="json"),
            ),
            dataset=DatasetPart(
                name=request.dataset,
                version=self.dataset.version,
                config=self.dataset_config.model_dump(mode="json"),
                fingerprint=fingerprint,
                pair=self.pair,
                labels=self.dataset.label_names if self.protocol.labels else None,
            ),
            resolution=request.resolution,
            seed=request.seed,
            protocol=self.protocol,
        )


@dataclass(frozen=True)
class ResolvedCell:
    """A resolved spec with the plugins that it names."""

    spec: RunSpec
    model: type[Model]
    model_config: PluginConfig
    dataset: Dataset


def complete(request: RunRequest) -> CompletedRequest:
    """Fill in every default and check every name and value.

    Raises:
        SpecError: An unknown name or a value out of range.
        PluginError: A plugin that can't be loaded.
    """
    registry = plugins.current()
    if not 0 <= request.seed < SEEDS:
        raise SpecError(f"seed {reprlib.repr(request.seed)}", needed=f"0 to {SEEDS - 1}", hint="--seed 0")
    model = model_class(request.model)
    dataset: type[Dataset] = registry.load("datasets", request.dataset)
    pair = pair_of(request.source, request.target)
    named = settings_by_owner(request, model, dataset)
    said = validate(Protocol, named.protocol, "protocol")
    task = task_of(model, labels=said.labels)
    task.check_request(request, pair, dataset)
    check_resolution(request.model, model, request.resolution)
    protocol = complete_protocol(
        said,
        resolution=request.resolution,
        metrics=task.metrics,
        held_out=task.always_holds_out,
    )
    for metric in protocol.metrics:
        registry.entry("metrics", metric)
    return CompletedRequest(
        request=request,
        model=model,
        model_config=validate(model.Config, named.model, f"model {request.model}"),
        dataset=dataset,
        dataset_config=dataset_config(request.dataset, dataset, named.dataset, pair),
        pair=pair,
        protocol=protocol,
        named=named,
    )


def resolve(request: RunRequest) -> ResolvedCell:
    """Complete a request, and look at its raw files.

    Raises:
        SpecError: An unknown name or a value out of range.
        PluginError: A plugin that can't be loaded.
        DataError: The data root is missing, empty, or of another data set.
    """
    completed = complete(request)
    dataset = completed.open_dataset()
    spec = completed.identify(dataset.fingerprint())
    return ResolvedCell(spec, completed.model, completed.model_config, dataset)


def model_class(name: str) -> type[Model]:
    """The class of a model.

    Raises:
        SpecError: No such model.
        PluginError: It can't be loaded, is no model, or has a setting of a name that is taken.
    """
    model = plugins.current().load("models", name)
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise PluginError(f"model {name} is {model!r}", needed="a class of harness.api.Model")
    check_setting_names(name, model.Config)
    return model


def check_resolution(name: str, model: type[Model], resolution: int) -> None:
    """Refuse an image side that a model's networks can't make.

    Raises:
        SpecError: It is none of the model's.
    """
    check_side(resolution)
    if model.resolutions is not None and resolution not in model.resolutions:
        sides = ", ".join(map(str, model.resolutions))
        raise SpecError(
            f"model {name} can't make {resolution} px images",
            needed=f"one of {sides}",
            hint=f"--res {sides.split(',')[0]}",
        )
