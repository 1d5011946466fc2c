"""The U-Nets of diffusion models, from diffusers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diffusers import UNet2DModel

from harness.api import ImageShape, SpecError


@dataclass(frozen=True)
class Layout:
    """A U-Net.

    Attributes:
        channels: From the full side down; each level is half as large as the one before.
        blocks: Residual blocks of a level on the way down; there is one more on the way up.
        attention: Sides of the maps that self-attention reads.
        head: Channels of an attention head; None for one head, as wide as the maps.
        modulates: Whether times scale and shift the maps, instead of only shifting them.
        residual_resampling: Whether residual blocks change the side, instead of single convolutions.
        dropout: In the residual blocks.
    """

    channels: tuple[int, ...]
    blocks: int = 2
    attention: tuple[int, ...] = (16,)
    head: int | None = None
    modulates: bool = False
    residual_resampling: bool = False
    dropout: float = 0.0


def norm_groups(channels: Sequence[int]) -> int:
    """Groups of channels that are normalised together: 32, or as many as narrow maps can be parted into."""
    return math.gcd(32, *channels)


def level_channels(
    shape: ImageShape, configured: tuple[int, ...] | None, layouts: Mapping[int, tuple[int, ...]]
) -> tuple[int, ...]:
    """Channels by level: as configured, or those of the layout for images of this size.

    Raises:
        SpecError: There is no layout for images of this size, or they can't be halved so often.
    """
    side = shape.height
    channels = configured or layouts.get(side)
    if channels is None or shape.width != side or side % 2 ** (len(channels) - 1):
        raise SpecError(
            f"this U-Net can't make images of {shape.height} x {shape.width} px",
            needed="square images of " + ", ".join(map(str, layouts)) + " px, or level_channels of your own",
            hint="--res 64",
        )
    return channels


def unet(side: int, layout: Layout, *, inputs: int, outputs: int) -> UNet2DModel:
    """Make a U-Net.

    Args:
        side: Of what it reads.
        layout: Its layout.
        inputs: Channels of what it reads.
        outputs: Channels of what it makes.
    """
    attends = [side >> level in layout.attention for level in range(len(layout.channels))]
    kind, plain_down, plain_up = (
        ("resnet", "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D")
        if layout.residual_resampling
        else ("conv", "DownBlock2D", "UpBlock2D")
    )
    return UNet2DModel(
        sample_size=side,
        in_channels=inputs,
        out_channels=outputs,
        block_out_channels=layout.channels,
        down_block_types=tuple("AttnDownBlock2D" if here else plain_down for here in attends),
        up_block_types=tuple("AttnUpBlock2D" if here else plain_up for here in reversed(attends)),
        layers_per_block=layout.blocks,
        attention_head_dim=layout.head,
        dropout=layout.dropout,
        norm_num_groups=norm_groups(layout.channels),
        norm_eps=1e-6,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        downsample_type=kind,
        upsample_type=kind,
        resnet_time_scale_shift="scale_shift" if layout.modulates else "default",
    )
