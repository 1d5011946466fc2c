"""DiffAugment: the same random changes to real and generated images, with gradients through them.

Where both sides are changed alike, the generator has nothing to gain from making changed images: what it
learns is the plain ones. Augmenting real images alone teaches it to make augmented ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Change = Literal["color", "translation", "cutout"]

TRANSLATION_RATIO = 0.125
CUTOUT_RATIO = 0.5


def diff_augment(images: Tensor, changes: Sequence[Change], maps: int = 0) -> Tensor:
    """Change each image (n, C, H, W) by its own draw; the result may leave [-1, 1].

    Args:
        images: The images.
        changes: Which changes.
        maps: How many of the channels, the last ones, say what is where: moved and cut alike, never coloured.

    Source: Zhao et al. 2020; reference: mit-han-lab/data-efficient-gans.
    """
    for change, function in CHANGES.items():
        if change not in changes:
            continue
        if change == "color" and maps:
            images = torch.cat([function(images[:, :-maps]), images[:, -maps:]], dim=1)
        else:
            images = function(images)
    return images


def color(images: Tensor) -> Tensor:
    """Brightness by up to 0.5, saturation by a factor of 0 to 2, contrast by a factor of 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (saturation * 2) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    changed: Tensor = (images - mean) * (contrast + 0.5) + mean
    return changed


def translation(images: Tensor) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side in both directions; what comes in is 0."""
    for dimension in (2, 3):
        side = images.shape[dimension]
        reach = round(side * TRANSLATION_RATIO)
        shift = torch.randint(-reach, reach + 1, (len(images), 1), device=images.device)
        origin = torch.arange(side, device=images.device) + shift
        shape = [len(images), 1, 1, 1]
        shape[dimension] = side
        taken = images.gather(dimension, origin.clamp(0, side - 1).view(shape).expand_as(images))
        images = taken * ((origin >= 0) & (origin < side)).view(shape)
    return images


def cutout(images: Tensor) -> Tensor:
    """Set a square of half the side to 0, mid-grey; its centre is uniform and it is clipped at the border."""
    outside = torch.zeros((), dtype=torch.bool, device=images.device)
    for dimension in (2, 3):
        side = images.shape[dimension]
        length = int(side * CUTOUT_RATIO + 0.5)
        centre = torch.randint(0, side + 1 - length % 2, (len(images), 1), device=images.device)
        distance = torch.arange(side, device=images.device) - (centre - length // 2)
        shape = [len(images), 1, 1, 1]
        shape[dimension] = side
        outside = outside | ((distance < 0) | (distance >= length)).view(shape)
    return images * outside


#: In the order of the reference implementation.
CHANGES: dict[Change, Callable[[Tensor], Tensor]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}
