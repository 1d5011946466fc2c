"""Settings that all diffusion models have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from harness.api import setting

from ..settings import BETAS, RATES, Betas, DescentConfig, PlainAugmentations, split_at_commas

LevelChannels = Annotated[tuple[int, ...] | None, BeforeValidator(split_at_commas)]

#: Limits of a number of sampling steps.
STEPS: dict[str, Any] = {"ge": 1, "le": 1000}


class DiffusionConfig(DescentConfig):
    """What every diffusion model lets the user choose.

    Each has also ``sampler`` and ``sampling_steps``, and for the evaluations during training
    ``preview_sampler`` and ``preview_steps``: which samplers there are is the process's affair.
    """

    augment: PlainAugmentations = setting(
        ("flip", "shift"),
        "plain augmentations of images; or none",
        source="published: flipping and panning for all methods but HAGAN",
    )
    lr: float = setting(
        2e-4,
        "learning rate",
        source="reference: Ho et al. 2020; the published 1e-3 is for generators and discriminators",
        tune=RATES,
        gt=0,
    )
    betas: Betas = setting((0.9, 0.999), "Adam's betas", source="reference: Ho et al. 2020", tune=BETAS)
    dropout: float = setting(0.0, "dropout in the residual blocks", source="reference: diffusers", ge=0, lt=1)
    level_channels: LevelChannels = setting(
        None,
        "channels from the image's side down, multiples of 16; none means the layout of about 36M parameters",
        source="reference: google/ddpm-cifar10-32 up to 64 px; ours: above",
        min_length=2,
    )
