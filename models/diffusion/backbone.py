"""The U-Net that ``edm``, ``flow`` and ``palette`` have in common: DDPM++, as Karras et al. 2022 train it."""

from __future__ import annotations

from typing import Any, Literal

from diffusers import UNet2DModel

from harness.api import ImageShape, setting

from .networks import Layout, level_channels, unet
from .settings import DiffusionConfig, LevelChannels

#: Channels from the image's side down, with attention at 16 px; the original has those up to 64 px.
LAYOUTS = {
    32: (256, 256, 256),
    64: (128, 256, 256, 256),
    128: (64, 128, 256, 256, 256),
    256: (64, 64, 128, 256, 256, 256),
}

#: A network for CPUs, and for trials.
LIGHT: dict[str, Any] = {"level_channels": (16, 32, 64, 64), "blocks": 1, "resampling": "convolution"}

#: One that shows whether everything works.
SMALLEST: dict[str, Any] = {"level_channels": (32, 32), "blocks": 1}


class BackboneConfig(DiffusionConfig):
    """The U-Net, and how it learns."""

    level_channels: LevelChannels = setting(
        None,
        "channels from the image's side down, multiples of 16; none means the layout of about 60M parameters",
        source="reference: NVlabs/edm up to 64 px; ours: above",
        min_length=2,
    )
    blocks: int = setting(
        4,
        "residual blocks of each level on the way down; there is one more on the way up",
        source="reference: NVlabs/edm",
        ge=1,
    )
    resampling: Literal["residual", "convolution"] = setting(
        "residual",
        "what halves and doubles the side of maps: a residual block, or a single convolution",
        source="reference: NVlabs/edm",
    )


def backbone(shape: ImageShape, config: BackboneConfig, *, inputs: int) -> UNet2DModel:
    """Make the U-Net for images of a shape, which reads so many channels.

    Raises:
        SpecError: There is no layout for images of this size.
    """
    channels = level_channels(shape, config.level_channels, LAYOUTS)
    layout = Layout(
        channels,
        blocks=config.blocks,
        residual_resampling=config.resampling == "residual",
        dropout=config.dropout,
    )
    return unet(shape.height, layout, inputs=inputs, outputs=shape.channels)
