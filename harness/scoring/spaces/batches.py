"""From stored images to what a feature network sees."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from ..stored import drop_equal_channels


def clean_resize(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Resize one image as clean-fid does: antialiased bicubic, channel by channel, never rounded to uint8.

    Grey images are resized in one channel, which gives the same numbers in a third of the time.

    Args:
        image: uint8 (C, H, W).
        side: Pixels of each side afterwards.

    Returns:
        float32 (C or 1, side, side) in [0, 255].

    Source: Parmar et al. 2022, "On aliased resizing and surprising subtleties in GAN evaluation".
    """
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
        for channel in drop_equal_channels(image)
    ]
    # Bicubic overshoots at edges; clean-fid clips it, so that numbers stay comparable.
    return np.stack([np.asarray(channel) for channel in channels]).clip(0, 255)


def clean_batches(images: NDArray[np.uint8], side: int, batch: int, device: torch.device) -> Iterator[Tensor]:
    """Yield ``images`` resized by ``clean_resize``, as float32 (n, 3, side, side) on ``device``."""
    with ThreadPoolExecutor() as pool:  # PIL lets go of the interpreter while it resizes
        for start in range(0, len(images), batch):
            resized = list(pool.map(lambda image: clean_resize(image, side), images[start : start + batch]))
            if len({len(image) for image in resized}) > 1:  # grey and coloured images side by side
                resized = [np.broadcast_to(image, (3, side, side)) for image in resized]
            yield torch.from_numpy(np.stack(resized)).to(device).expand(-1, 3, -1, -1)


def tensorflow_batches(
    images: NDArray[np.uint8], side: int, batch: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield ``images`` resized as in the original TensorFlow graph: bilinear, without antialiasing.

    This is torch-fidelity's resize. It aliases where it shrinks; it is here to compare with published
    numbers that were made with it.
    """
    for start in range(0, len(images), batch):
        part = torch.from_numpy(np.array(images[start : start + batch])).to(device).float()
        resized: Tensor = interpolate_bilinear_2d_like_tensorflow1x(
            part, size=(side, side), align_corners=False
        )
        yield resized.expand(-1, 3, -1, -1)
