"""The protocol: how every cell is trained and scored, whatever its model and its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..api import PluginConfig, setting

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


CORE_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 4, "evaluate_every": 2, "limit": 64, "batch_size": 16},
}
"""Presets that make sense for every model; its task and the model itself may add to them."""
