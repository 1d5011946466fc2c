"""EDM: noise of any level, taken out by a network with unit scales (Karras et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from harness.api import ImageShape

from .diffusion.backbone import LAYOUTS, LIGHT, SMALLEST, backbone
from .diffusion.levels import ForgetsByHalves, LevelsConfig, process_of
from .diffusion.model import DiffusionSynthesizer


class EDM(ForgetsByHalves, DiffusionSynthesizer):
    """A U-Net inside EDM's preconditioning, and its sampler of 18 steps: 35 evaluations an image.

    62,513,667 parameters at 64 px; 61.8M in the original.
    """

    version = 1
    Config = LevelsConfig
    resolutions = tuple(LAYOUTS)
    # Rates rise over 10 million images.
    presets: ClassVar = {
        "reference": {
            "lr": 1e-3,
            "batch_size": 512,
            "lr_warmup": 10_000_000 // 512,
            "dropout": 0.13,
            "augment": "none",
        },
        "light": LIGHT,
        "smoke": {**SMALLEST, "sampling_steps": 6, "preview_steps": 4},
    }
    # The settings for CIFAR-10 at 32 px, and for FFHQ at 64 px.
    presets_from: ClassVar = {
        "reference": {
            64: {
                "lr": 2e-4,
                "batch_size": 256,
                "lr_warmup": 10_000_000 // 256,
                "dropout": 0.05,
                "sampling_steps": 40,
            }
        }
    }

    config: LevelsConfig

    def __init__(self, shape: ImageShape, config: LevelsConfig) -> None:
        super().__init__(shape, config)
        self.compose(backbone(shape, config, inputs=shape.channels), process_of(config))
