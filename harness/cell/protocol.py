"""The protocol: how every cell is trained and scored, whatever its model and its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ..api import PluginConfig, setting
from ..limits import IMAGES

PROTOCOL_VERSION = 2
"""Raised whenever the training loop or the evaluation gives other numbers for the same spec."""


def split_at_commas(value: object) -> object:
    """Read ``fid,kid`` as two names."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(split_at_commas)]


class Protocol(PluginConfig):
    """How a cell is trained and scored, as far as somebody said so."""

    epochs: int = setting(
        500,
        "training length",
        unit="epochs",
        source="ours: the length is not published",
        ge=1,
        le=IMAGES,
    )
    batch_size: int | None = setting(
        None, "images per step; none means 32 below 256 px and 2 from there on", unit="images",
        source="published: IV-A, 32 at low and 2 at high resolution", ge=1, le=IMAGES,
    )  # fmt: skip
    evaluate_every: int = setting(
        10, "distance between evaluations; the best one counts", unit="epochs",
        source="ours: 'selected the best performance', IV-A, names no interval", ge=1, le=IMAGES,
    )  # fmt: skip
    metrics: Names | None = setting(
        None, "scores; the first one selects the best evaluation; none means those of the task: "
        "fid,kid,manifold,frd,swd,ms_ssim for samples, with labels also utility,utility_gain; "
        "psnr,ssim,mae,swd for translations",
        source="published: FID alone; ours: the others", min_length=1,
    )  # fmt: skip
    samples: int | None = setting(
        None, "images generated for an evaluation; none means as many as real training images, or for "
        "translations all held-out slices", unit="images",
        source="published: 'an equal number of real images', IV-A", ge=1, le=IMAGES,
    )  # fmt: skip
    held_out: bool = setting(
        False,
        "keep the test patients apart and score against them too; translations and labels always do",
        source="published: trains on all images",
    )
    labels: bool = setting(
        False, "make a label map beside each image; scores of images see the images alone", source="ours"
    )
    limit: int | None = setting(
        None, "train on a seeded subset of so many images, spread over patients; none means all",
        unit="images", source="ours: for trials", ge=1, le=IMAGES,
    )  # fmt: skip
    shift_reach: float = setting(
        1 / 64,
        "longest translation of the augmentation shift, as a share of the side; at least one pixel",
        source="published: panning, without a length; ours: one pixel of 64, the least that moves anything",
        gt=0, le=0.5,
    )  # fmt: skip
    channels: Literal[1, 3] = setting(
        3,
        "channels of a model's images; 3 replicates grey, and images with colours need them",
        source="inferred: Table I",
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = setting(
        "auto", "arithmetic of the training step; auto means tf32 on CUDA and fp32 elsewhere", source="ours"
    )


UNSAID: Mapping[str, Any] = {"labels": False}
"""Settings that came after cells had been computed. At these values they are no part of a cell's identity, so
that records from before them keep theirs."""


class CompleteProtocol(Protocol):
    """The protocol of a cell: what depends on its model and its resolution is filled in."""

    batch_size: int
    metrics: Names

    @property
    def selecting_metric(self) -> str:
        """The metric that chooses the best evaluation, and with it the networks; the others merely look."""
        return self.metrics[0]


def complete_protocol(
    protocol: Protocol, *, resolution: int, metrics: tuple[str, ...], held_out: bool
) -> CompleteProtocol:
    """Fill in what was left open.

    Args:
        protocol: What was said.
        resolution: Side of the images.
        metrics: The task's scores, where none were named.
        held_out: Whether the task always keeps the test patients apart.
    """
    said = protocol.model_dump()
    return CompleteProtocol.model_validate(
        said
        | {
            "batch_size": said["batch_size"] or (32 if resolution < 256 else 2),
            "metrics": said["metrics"] or metrics,
            "held_out": said["held_out"] or held_out,
        }
    )


CORE_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 4, "evaluate_every": 2, "limit": 64, "batch_size": 16},
    "quick": {"epochs": 32, "evaluate_every": 1, "limit": 512, "batch_size": 16, "channels": 1},
}
"""Presets that make sense for every model; its task and the model itself may add to them.

``smoke`` shows in seconds that everything works; ``quick`` shows in a minute or two what a model can learn
of small grey images.
"""
