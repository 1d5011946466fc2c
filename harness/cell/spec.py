"""What a cell is: a model, a data set, a resolution, a seed and a protocol, fully resolved.

A ``RunRequest`` is what somebody typed. Resolving it (``harness.running.resolve``) fills in every default, so
that a ``RunSpec`` says all that the result depends on; the hash of that is the cell's identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from ..api import Pair
from ..errors import SpecError
from ..files import sha256_of_json
from .protocol import PROTOCOL_VERSION, Protocol


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
    """

    fingerprint: str
    pair: Pair | None = None

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return label_of(self.name, self.pair)

    @model_serializer(mode="wrap")
    def _without_no_pair(self, content: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A set without a pair is written as if there were none, so that its cells keep their identity."""
        written: dict[str, Any] = content(self)
        if self.pair is None:
            del written["pair"]
        return written


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
        dataset = self.dataset.label.replace(" ", "-")
        return f"{self.model.name}-{dataset}-{self.resolution}-s{self.seed}-{self.identity[:8]}"


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
