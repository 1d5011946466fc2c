"""The pipeline: what it may do to images, each with a chance that training adjusts.

A change that leaves some images as they were does not leak: generated images look like plain ones as long
as both sides pass through it and the chance is below about 0.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .chance import Strength, either
from .geometry import random_maps, seen_through


@dataclass(frozen=True)
class Pipeline:
    """Changes to images, and what their chances are multiplied by.

    Attributes:
        geometry: Mirrors, turns, zooms and shifts.
        colour: Brightness, contrast, inversion; of colours hue and saturation.
        cutout: A square of half the side becomes 0.

    Source: Karras et al. 2020 (ADA); reference: NVlabs/stylegan2-ada-pytorch, ``bgc`` and ``cutout``.
    """

    geometry: float = 1.0
    colour: float = 1.0
    cutout: float = 0.0

    def __call__(self, images: Tensor, strength: Strength, maps: int = 0) -> Tensor:
        """Change each image (n, C, H, W) by its own draws; twice differentiable.

        Args:
            images: The images.
            strength: What all chances are multiplied by.
            maps: How many of the channels, the last ones, say what is where: moved and cut, never recoloured.
        """
        # Places of pixels have no room for rounding.
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            if self.geometry:
                images = seen_through(images, random_maps(images, self.geometry * strength))
            if self.colour:
                plain, beside = images.split([images.shape[1] - maps, maps], dim=1)
                images = torch.cat([recoloured(plain, self.colour * strength), beside], dim=1)
            if self.cutout:
                images = cut(images, self.cutout * strength)
        return images


def recoloured(images: Tensor, strength: Strength) -> Tensor:
    """Images with other brightness, contrast, greys and colours.

    In order: brightness by N(0, 0.2), contrast by 2^N(0, 0.5), greys exchanged for their opposites; of three
    channels the hue turned, of two and more the saturation multiplied by 2^N(0, 1). Grey is the mean of the
    channels, so grey images stay grey, in however many channels they come.
    """
    count, channels, device = len(images), images.shape[1], images.device
    one = torch.ones(count, device=device)

    def drawn(value: Tensor, neutral: Tensor) -> Tensor:
        return either(value, neutral, strength).view(-1, 1, 1, 1)

    images = images + drawn(0.2 * torch.randn(count, device=device), 0 * one)
    images = images * drawn(torch.exp2(0.5 * torch.randn(count, device=device)), one)
    inverted = drawn(torch.randint(2, (count,), device=device).float(), 0 * one)
    images = images - 2 * inverted * images.mean(dim=1, keepdim=True)
    if channels == 3:
        angle = drawn((torch.rand(count, device=device) * 2 - 1) * math.pi, 0 * one)
        images = turned_hue(images, angle)
    if channels > 1:
        grey = images.mean(dim=1, keepdim=True)
        images = grey + (images - grey) * drawn(torch.exp2(torch.randn(count, device=device)), one)
    return images


def turned_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Colours (n, 3, H, W) turned around the axis of grey (Rodrigues' formula)."""
    grey = images.mean(dim=1, keepdim=True)
    across = (images.roll(1, dims=1) - images.roll(-1, dims=1)) / math.sqrt(3)
    return grey + (images - grey) * angle.cos() + across * angle.sin()


def cut(images: Tensor, strength: Strength) -> Tensor:
    """A square of half the side around a uniform place, set to 0 and clipped at the edge."""
    count, device = len(images), images.device
    half = either(torch.full((count,), 0.25, device=device), torch.zeros(count, device=device), strength)
    inside = torch.ones((), dtype=torch.bool, device=device)
    for dimension in (2, 3):
        side = images.shape[dimension]
        places = (torch.arange(side, device=device) + 0.5) / side
        near = (places - torch.rand(count, 1, device=device)).abs() < half[:, None]
        inside = inside & near.view([count, *(side if one == dimension else 1 for one in (1, 2, 3))])
    return images * ~inside
