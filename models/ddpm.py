"""DDPM: noise is taken out of noise until an image is left (Ho et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from harness.api import Clock, ImageShape, setting

from .averaging import decay_at
from .diffusion.discrete import DIFFUSION_STEPS, NoisePrediction, Sampler, Steps, Variance
from .diffusion.model import DiffusionSynthesizer
from .diffusion.networks import Layout, level_channels, unet
from .diffusion.settings import STEPS, DiffusionConfig
from .settings import AveragingConfig

#: Channels from the image's side down, each level half as large as the one before.
LAYOUTS = {
    32: (128, 256, 256, 256),
    64: (128, 256, 256, 256),
    128: (64, 128, 256, 256, 256),
    256: (64, 64, 128, 256, 256, 256),
}


class DDPMConfig(DiffusionConfig, AveragingConfig):
    """Options of DDPM."""

    ema_decay: float = setting(
        0.9999, "decay of the averaged network that samples", source="reference: Ho et al. 2020", ge=0, lt=1
    )
    sampler: Sampler = setting(
        "ddpm",
        "how to sample: ddpm (ancestral) draws noise at every step, ddim none on the way",
        source="reference: Ho et al. 2020",
    )
    variance: Variance = setting(
        "fixed_small",
        "variance of that noise: of the posterior (small), or beta_t (large)",
        source="reference: diffusers; Ho et al. 2020 have both",
    )
    sampling_steps: Steps = setting(
        DIFFUSION_STEPS, "steps from noise to image", source="reference: Ho et al. 2020", **STEPS
    )
    preview_sampler: Sampler = setting(
        "ddim",
        "how to sample for the evaluations during training, which choose the networks",
        source="ours: 1000 ancestral steps at each evaluation would take longer than the training",
    )
    preview_steps: Steps = setting(
        50, "steps from noise to image in those evaluations", source="reference: Song et al. 2021", **STEPS
    )

    @model_validator(mode="after")
    def _leaves_no_noise(self) -> DDPMConfig:
        """Only at time 0 is no noise added; fewer steps end earlier, where the large variance is visible."""
        kinds = ((self.sampler, self.sampling_steps), (self.preview_sampler, self.preview_steps))
        if self.variance == "fixed_large" and any(
            sampler == "ddpm" and steps < DIFFUSION_STEPS for sampler, steps in kinds
        ):
            raise ValueError(
                f"variance fixed_large with fewer than {DIFFUSION_STEPS} steps of sampler ddpm leaves noise "
                "in the images: take fixed_small, or sampler ddim"
            )
        return self


class DDPM(DiffusionSynthesizer):
    """A U-Net that predicts the noise in a noisy image.

    35,746,307 parameters at 64 px (the layout of google/ddpm-cifar10-32) and 35.55M at 256 px.
    """

    version = 2
    Config = DDPMConfig
    resolutions = tuple(LAYOUTS)
    presets: ClassVar = {
        "reference": {
            "lr": 2e-4,
            "batch_size": 128,
            "lr_warmup": 5000,
            "gradient_clip": 1.0,
            "ema_decay": 0.9999,
            "ema_start": 1,
            "ema_warmup": False,
            "dropout": 0.1,
            "variance": "fixed_large",
            "augment": "flip",
        },
        "light": {"level_channels": (16, 32, 32, 32), "sampler": "ddim", "sampling_steps": 50},
        # The full network takes half a minute for a step of 32 images on two cores.
        "smoke": {
            "level_channels": (32, 64, 64, 64),
            "sampler": "ddim",
            "sampling_steps": 10,
            "preview_steps": 10,
        },
    }

    # Ho et al. have two sizes, 32 and 256 px, each with settings of its own.
    presets_from: ClassVar = {
        "reference": {
            256: {
                "lr": 2e-5,
                "batch_size": 64,
                "dropout": 0.0,
                "variance": "fixed_small",
                "level_channels": (128, 128, 256, 256, 512, 512),
            }
        }
    }

    config: DDPMConfig
    process: NoisePrediction

    def __init__(self, shape: ImageShape, config: DDPMConfig) -> None:
        super().__init__(shape, config)
        layout = Layout(level_channels(shape, config.level_channels, LAYOUTS), dropout=config.dropout)
        denoiser = unet(shape.height, layout, inputs=shape.channels, outputs=shape.channels)
        self.compose(denoiser, NoisePrediction(variance=config.variance))

    def decay(self, clock: Clock, count: int) -> float:
        """As configured."""
        return decay_at(self.config, clock.step)
