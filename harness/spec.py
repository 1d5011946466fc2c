"""What a cell is: a model, a data set, a resolution, a seed and a protocol, fully resolved.

A ``RunRequest`` is what somebody typed. Resolving it (``harness.resolve``) fills in every default, so that
a ``RunSpec`` says all that the result depends on; the hash of that is the cell's identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from .api import Pair, PluginConfig, setting
from .errors import SpecError
from .files import sha256_of_json

PROTOCOL_VERSION = 1
"""Raised whenever the training loop or the evaluation gives other numbers for the same spec."""


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
        "", "scores, comma separated; the first one selects the best evaluation; none for those of the "
        "task: fid,kid,swd,ms_ssim for samples, psnr,ssim,mae,swd for translations",
        source="published: FID alone; ours: the others",
    )  # fmt: skip
    samples: int = setting(
        0, "images generated for an evaluation; 0 means as many as real training images, or for "
        "translations all held-out slices", unit="images",
        source="published: 'an equal number of real images', IV-A", ge=0,
    )  # fmt: skip
    held_out: bool = setting(
        False,
        "keep the test patients apart and score against them too; translations always do",
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


def pair_of(source: str, target: str) -> Pair | None:
    """The pair that two options name; None where neither says anything.

    Raises:
        SpecError: One of the two is missing.
    """
    if bool(source) != bool(target):
        given, missing = ("source", "target") if source else ("target", "source")
        raise SpecError(
            f"a {given} modality, {source or target}, without a {missing}",
            needed="both",
            hint=f"--source {source or 'NAME'} --target {target or 'NAME'}",
        )
    return Pair(source, target) if source else None


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
        source: Modality to translate from; empty outside of a paired task.
        target: Modality to translate into.
    """

    model: str
    dataset: str
    resolution: int
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    presets: tuple[str, ...] = ()
    data_root: Path | None = None
    source: str = ""
    target: str = ""
