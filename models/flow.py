"""Rectified flow, or flow matching: straight paths from noise to images (Liu et al., Lipman et al. 2023)."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.api import Clock, ImageShape, setting

from .averaging import decay_at
from .diffusion.backbone import LAYOUTS, LIGHT, SMALLEST, BackboneConfig, backbone
from .diffusion.model import DiffusionSynthesizer
from .diffusion.settings import STEPS
from .diffusion.straight import StraightPath, TimeLaw
from .settings import RATES, AveragingConfig

Sampler = Literal["euler", "heun"]


class FlowConfig(BackboneConfig, AveragingConfig):
    """Options of rectified flow."""

    lr: float = setting(2e-4, "learning rate", source="reference: gnobitab/RectifiedFlow", tune=RATES, gt=0)
    ema_decay: float = setting(
        0.9999,
        "decay of the averaged network that samples",
        source="ours: as ddpm; gnobitab/RectifiedFlow has 0.999999 for 32 px and 0.999 for 256 px",
        ge=0,
        lt=1,
    )
    time_law: TimeLaw = setting(
        "logit-normal",
        "law of the times in training, from 0, noise, to 1, images: logit-normal, or uniform",
        source="reference: Esser et al. 2024; Liu et al. 2023 have uniform",
    )
    time_mean: float = setting(0.0, "mean of the logit of time", source="reference: Esser et al. 2024")
    time_deviation: float = setting(
        1.0, "standard deviation of the logit of time", source="reference: Esser et al. 2024", gt=0
    )
    sampler: Sampler = setting(
        "heun",
        "how to sample: euler takes one evaluation a step, heun two",
        source="ours: as edm; Liu et al. 2023 have euler and an adaptive method",
    )
    sampling_steps: int = setting(
        18, "steps from noise to image", source="ours: about as many evaluations as edm", **STEPS
    )
    preview_sampler: Sampler = setting(
        "heun",
        "how to sample for the evaluations during training, which choose the networks",
        source="ours: as edm",
    )
    preview_steps: int = setting(
        18, "steps from noise to image in those evaluations", source="ours: as edm", **STEPS
    )


class Flow(DiffusionSynthesizer):
    """The U-Net of edm, which learns the velocity from noise to images.

    62,513,667 parameters at 64 px; 61.8M in the original.
    """

    version = 1
    Config = FlowConfig
    resolutions = tuple(LAYOUTS)
    presets: ClassVar = {
        "reference": {
            "lr": 2e-4,
            "batch_size": 128,
            "lr_warmup": 5000,
            "gradient_clip": 1.0,
            "dropout": 0.15,
            "ema_decay": 0.999999,
            "level_channels": (128, 256, 256, 256),
            "time_law": "uniform",
            "sampler": "euler",
            "sampling_steps": 1000,
            "augment": "flip",
        },
        "light": LIGHT,
        "smoke": {**SMALLEST, "sampling_steps": 6, "preview_steps": 4},
    }
    # The original has settings for 32 px and for 256 px.
    presets_from: ClassVar = {
        "reference": {
            256: {
                "batch_size": 64,
                "dropout": 0.0,
                "ema_decay": 0.999,
                "level_channels": (128, 128, 256, 256, 256, 256, 256),
                "blocks": 2,
            }
        }
    }

    config: FlowConfig

    def __init__(self, shape: ImageShape, config: FlowConfig) -> None:
        super().__init__(shape, config)
        path = StraightPath(law=config.time_law, mean=config.time_mean, deviation=config.time_deviation)
        self.compose(backbone(shape, config, inputs=shape.channels), path)

    def decay(self, clock: Clock, count: int) -> float:
        """As configured."""
        return decay_at(self.config, clock.step)
