"""What a cell is: a model, a data set, a resolution, a seed and a protocol, fully resolved.

A ``RunRequest`` is what somebody typed. Resolving it (``harness.running.resolve``) fills in every default, so
that a ``RunSpec`` says all that the result depends on; the hash of that is the cell's identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..api import Pair
from ..errors import SpecError
from ..files import sha256_of_json
from .protocol import PROTOCOL_VERSION, UNSAID, CompleteProtocol


class Part(BaseModel):
    """A plugin with the config it was made with."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    config: dict[str, Any]


class DatasetPart(Part):
    """A data set, told apart from others of its name by the content of its raw files.

    Attributes:
        pair: The modalities of a paired task; None outside of one.
        labels: What the labels 1, 2, ... of the maps mean that are made beside images; None where none are.
    """

    fingerprint: str
    pair: Pair | None = None
    labels: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return label_of(self.name, self.pair)


def label_of(dataset: str, pair: Pair | None) -> str:
    """A data set with its pair of modalities, where it has one: ``brats2018 t1-flair``."""
    return dataset if pair is None else f"{dataset} {pair}"


def pair_of(source: str | None, target: str | None) -> Pair | None:
    """The pair that two options name; None where neither says anything.

    Raises:
        SpecError: One of the two is missing.
    """
    if source and target:
        return Pair(source, target)
    if source or target:
        given, missing = ("source", "target") if source else ("target", "source")
        raise SpecError(
            f"a {given} modality, {source or target}, without a {missing}",
            needed="both",
            hint=f"--source {source or 'NAME'} --target {target or 'NAME'}",
        )
    return None


def terms_of(protocol: CompleteProtocol, dataset_config: Mapping[str, Any]) -> str:
    """How a cell is trained and on which choice of images, scores aside, as canonical text."""
    return _canonical([protocol.model_dump(mode="json", exclude={"metrics"}), dataset_config])


class RunSpec(BaseModel):
    """One cell, resolved. All that makes two cells the same, in one sense or another, is asked here."""

    model_config = ConfigDict(frozen=True)

    model: Part
    dataset: DatasetPart
    resolution: int
    seed: int
    protocol: CompleteProtocol

    @cached_property
    def identity(self) -> str:
        """sha256 of all that changes the result.

        Only the first metric steers training (it selects the best evaluation); the others merely look,
        so asking for one more does not make another cell.
        """
        return self.identity_under(PROTOCOL_VERSION)

    def identity_under(self, protocol_version: int) -> str:
        """The identity that a version of the protocol gives it."""
        content = self.model_dump(mode="json")
        content["protocol"]["metrics"] = self.protocol.selecting_metric
        for name, value in UNSAID.items():
            if content["protocol"][name] == value:
                del content["protocol"][name]
        if self.dataset.labels is None:
            del content["dataset"]["labels"]
        return sha256_of_json({**content, "protocol_version": protocol_version})

    @cached_property
    def terms(self) -> str:
        """How it is trained and on which choice of images: a grid asks for these."""
        return terms_of(self.protocol, self.dataset.config)

    @cached_property
    def conditions(self) -> str:
        """All but the model and the seed: scores in the same features compare where this is equal."""
        dataset = self.dataset.model_dump(mode="json")
        return _canonical([dataset, self.resolution, self.terms, self.protocol.selecting_metric])

    @cached_property
    def setup(self) -> str:
        """The model's config: cells of one model and setup differ in their seed alone."""
        return _canonical(self.model.config)

    @cached_property
    def choices(self) -> str:
        """All settings: cells with the same choices differ in versions and raw files at most."""
        named = [self.model.name, self.dataset.label, self.resolution, self.seed]
        return _canonical([*named, self.setup, self.terms, self.protocol.selecting_metric])

    @property
    def workload(self) -> tuple[str, str, int, int, int | None]:
        """What an epoch consists of: cells of one workload take equally long for it."""
        protocol = self.protocol
        return (
            self.model.name,
            self.dataset.label,
            self.resolution,
            protocol.batch_size,
            protocol.limit,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by the name that sets it."""
        return {
            **self.protocol.model_dump(mode="json"),
            **self.model.config,
            **{f"dataset.{name}": value for name, value in self.dataset.config.items()},
            **(self.dataset.pair._asdict() if self.dataset.pair else {}),
        }

    @property
    def folder_name(self) -> str:
        """Name of the cell's folder."""
        return f"{self.folder_prefix}{self.identity[:8]}"

    @property
    def folder_prefix(self) -> str:
        """What the names of all folders of this model, data set, resolution and seed begin with."""
        dataset = self.dataset.label.replace(" ", "-")
        return f"{self.model.name}-{dataset}-{self.resolution}-s{self.seed}-"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@dataclass(frozen=True)
class RunRequest:
    """What a user asked for; everything left out takes its default.

    Attributes:
        settings: Overrides by name: fields of ``Protocol``, of the model's config, or, as
            ``dataset.NAME``, of the data set's. Text values are read as JSON where they are JSON.
        presets: Names of presets, applied in order before ``settings``.
        source: Modality to translate from; None outside of a paired task.
        target: Modality to translate into.
    """

    model: str
    dataset: str
    resolution: int
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    data_root: Path | None = None
    source: str | None = None
    target: str | None = None
