"""Palette: diffusion of the target, beside the source (Saharia et al. 2022), by EDM's process."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from harness.api import ImageShape

from .diffusion.backbone import LAYOUTS, LIGHT, SMALLEST, backbone
from .diffusion.levels import ForgetsByHalves, LevelsConfig, process_of
from .diffusion.model import DiffusionTranslator
from .latents import SeededDraws


class Palette(ForgetsByHalves, DiffusionTranslator):
    """The denoiser of edm, which sees the source beside each noisy target.

    Palette's idea, a source that is one more input, with the process of Karras et al. 2022 instead of a
    thousand steps: 35 evaluations an image. 62.5M parameters at 64 px.
    """

    version = 1
    Config = LevelsConfig
    resolutions = tuple(LAYOUTS)
    presets: ClassVar = {
        "reference": {
            "lr": 5e-5,
            "batch_size": 4,
            "dropout": 0.2,
            "level_channels": (64, 128, 256, 512),
            "blocks": 2,
            "augment": "none",
        },
        "light": LIGHT,
        "smoke": {**SMALLEST, "sampling_steps": 6, "preview_steps": 4},
    }

    config: LevelsConfig

    def __init__(self, shape: ImageShape, config: LevelsConfig) -> None:
        super().__init__(shape, config)
        self.compose(backbone(shape, config, inputs=2 * shape.channels), process_of(config))

    def start_from(self, source: Tensor, draws: SeededDraws | None) -> Tensor:
        """Noise; the source is only seen."""
        return torch.randn_like(source) if draws is None else draws.normal(self.state_shape)
