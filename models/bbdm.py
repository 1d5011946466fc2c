"""BBDM: a Brownian bridge from the source to the target, in pixels (Li et al. 2023)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from harness.api import Clock, ImageShape, setting

from .averaging import decay_at
from .diffusion.bridge import BRIDGE_STEPS, BrownianBridge
from .diffusion.model import DiffusionTranslator
from .diffusion.networks import Layout, level_channels, unet
from .diffusion.settings import DiffusionConfig, LevelChannels
from .latents import SeededDraws
from .settings import RATES, AveragingConfig

BBDM_CODE = "reference: xuekt98/BBDM"

#: Channels from the image's side down.
LAYOUTS = dict.fromkeys((32, 64, 128, 256), (128, 512, 1024))

Sampler = Literal["stochastic", "deterministic"]

STEPS: dict[str, Any] = {"ge": 3, "le": BRIDGE_STEPS}


class BBDMConfig(DiffusionConfig, AveragingConfig):
    """Options of the Brownian bridge."""

    lr: float = setting(1e-4, "learning rate", source=BBDM_CODE, tune=RATES, gt=0)
    ema_decay: float = setting(
        0.9999,
        "decay of the averaged network that samples",
        source="ours: as ddpm; xuekt98/BBDM has 0.995 every 8 steps",
        ge=0,
        lt=1,
    )
    level_channels: LevelChannels = setting(
        None,
        "channels from the image's side down, multiples of 16; none means 128, 512, 1024",
        source=BBDM_CODE,
        min_length=2,
    )
    blocks: int = setting(
        2,
        "residual blocks of each level on the way down; there is one more on the way up",
        source=BBDM_CODE,
        ge=1,
    )
    variance: float = setting(
        1.0,
        "s, which scales the variance of the bridge: half of it in the middle, and the samples' diversity",
        source="reference: Li et al. 2023",
        gt=0,
    )
    sampler: Sampler = setting(
        "stochastic", "how to sample: with noise at every step, or with none", source=BBDM_CODE
    )
    sampling_steps: int = setting(200, "steps from the source to the target", source=BBDM_CODE, **STEPS)
    preview_sampler: Sampler = setting(
        "stochastic",
        "how to sample for the evaluations during training, which choose the networks",
        source=BBDM_CODE,
    )
    preview_steps: int = setting(
        20,
        "steps from the source to the target in those evaluations",
        source="ours: 200 at each evaluation would take longer than the training",
        **STEPS,
    )


class BBDM(DiffusionTranslator):
    """A U-Net that sees the source beside each state of the bridge, and says how far the target is."""

    version = 1
    Config = BBDMConfig
    resolutions = tuple(LAYOUTS)
    # Two batches of 8 make a step there.
    presets: ClassVar = {
        "reference": {
            "lr": 1e-4,
            "batch_size": 16,
            "ema_decay": 0.995 ** (1 / 8),
            "ema_start": 30_000,
            "ema_warmup": False,
            "augment": "none",
        },
        "light": {"level_channels": (16, 32, 64, 64), "blocks": 1},
        "smoke": {"level_channels": (32, 32), "blocks": 1, "sampling_steps": 6, "preview_steps": 4},
    }

    config: BBDMConfig

    def __init__(self, shape: ImageShape, config: BBDMConfig) -> None:
        super().__init__(shape, config)
        channels = level_channels(shape, config.level_channels, LAYOUTS)
        layout = Layout(
            channels,
            blocks=config.blocks,
            attention=(),
            modulates=True,
            residual_resampling=True,
            head=min(64, channels[-1]),
            dropout=config.dropout,
        )
        denoiser = unet(shape.height, layout, inputs=2 * shape.channels, outputs=shape.channels)
        self.compose(denoiser, BrownianBridge(variance=config.variance))

    def decay(self, clock: Clock, count: int) -> float:
        """As configured."""
        return decay_at(self.config, clock.step)

    def start_from(self, source: Tensor, draws: SeededDraws | None) -> Tensor:
        """The source: the bridge begins there."""
        return source
