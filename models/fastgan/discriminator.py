"""FastGAN's discriminator: it judges images at two scales, and must be able to draw them again."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import ImageShape

from ..layers import doublings, image_side
from .excitation import Excitation, convolution, exciters

SLOPE = 0.2

#: Side of the maps that are judged.
JUDGED = 8

#: How many times larger the maps that excite are than those that are excited.
SPAN = 8

#: Channels of a decoder's maps from 16 px on.
DECODER_WIDTHS = (128, 64, 64, 32)


class Judgement(NamedTuple):
    """What the discriminator makes of images.

    Attributes:
        scores: (n, 50), unbounded: 25 places at each of the two scales.
        last: Maps of whole images, (n, C, 8, 8).
        middle: Those before them, (n, C', 16, 16), of which a quadrant shows a quadrant.
        small: Maps of the smaller images, (n, C', 8, 8).
    """

    scores: Tensor
    last: Tensor
    middle: Tensor
    small: Tensor


class Reconstructions(NamedTuple):
    """Images drawn again, (n, C, H/2, W/2) each.

    Attributes:
        whole: From the last maps.
        part: A quadrant of the images, from a quadrant of the maps before.
        small: From the maps of the smaller images.
    """

    whole: Tensor
    part: Tensor
    small: Tensor


class Discriminator(nn.Module):
    """Residual halvings to 8 px with skip-layer excitation, plain ones of the smaller image, and decoders.

    Shape: ``Scales`` to ``Judgement``.

    Source: reference: odegeasslbc/FastGAN-pytorch, its network for 256 px, of which smaller images enter
    later.
    """

    def __init__(self, shape: ImageShape, *, width: int) -> None:
        super().__init__()
        side = image_side(shape)
        sides = [one for one in reversed(doublings(side)) if one >= JUDGED]
        widths = {one: width * JUDGED // (2 * one) for one in sides}
        self.first = nn.Sequential(convolution(shape.channels, widths[side], 3, padding=1), _leaky())
        self.halvings = nn.ModuleList(Halving(widths[2 * one], widths[one]) for one in sides[1:])
        self.sources = exciters(sides, lambda one: SPAN * one)
        self.excitations = nn.ModuleDict(
            {str(one): Excitation(widths[source], widths[one]) for one, source in self.sources.items()}
        )
        self.head = nn.Sequential(
            convolution(widths[JUDGED], width, 1),
            nn.BatchNorm2d(width),
            _leaky(),
            convolution(width, 1, 4),
        )
        narrow = {one: count // 2 for one, count in widths.items()}
        self.small = nn.Sequential(
            convolution(shape.channels, narrow[side // 4], 4, stride=2, padding=1),
            _leaky(),
            *(
                layer
                for one in sides[3:]
                for layer in (
                    convolution(narrow[2 * one], narrow[one], 4, stride=2, padding=1),
                    nn.BatchNorm2d(narrow[one]),
                    _leaky(),
                )
            ),
        )
        self.small_head = convolution(narrow[JUDGED], 1, 4)
        self.decode_whole = decoder(widths[JUDGED], shape)
        self.decode_part = decoder(widths[2 * JUDGED], shape)
        self.decode_small = decoder(narrow[JUDGED], shape)

    def forward(self, images: Tensor, small: Tensor) -> Judgement:
        """Judge images, and the same at half their side."""
        maps = self.first(images)
        made = {images.shape[-1]: maps}
        for halving in self.halvings:
            maps = halving(maps)
            side = maps.shape[-1]
            if side in self.sources:
                maps = self.excitations[str(side)](made[self.sources[side]], maps)
            made[side] = maps
        small_maps = self.small(small)
        scores = torch.cat([self.head(maps).flatten(1), self.small_head(small_maps).flatten(1)], dim=1)
        return Judgement(scores, maps, made[2 * JUDGED], small_maps)

    def reconstruct(self, judged: Judgement, quadrant: int) -> Reconstructions:
        """Draw the images again that were judged."""
        return Reconstructions(
            whole=self.decode_whole(judged.last),
            part=self.decode_part(quarter(judged.middle, quadrant)),
            small=self.decode_small(judged.small),
        )


def quarter(maps: Tensor, quadrant: int) -> Tensor:
    """A quadrant of maps or images, (n, C, h, w) to (n, C, h/2, w/2): 0 to 3, row by row."""
    return maps.chunk(2, dim=2)[quadrant // 2].chunk(2, dim=3)[quadrant % 2]


class Halving(nn.Module):
    """The mean of two ways to half the side: two convolutions, or one pixel of four averaged ones."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            convolution(inputs, outputs, 4, stride=2, padding=1),
            nn.BatchNorm2d(outputs),
            _leaky(),
            convolution(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            _leaky(),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2), convolution(inputs, outputs, 1), nn.BatchNorm2d(outputs), _leaky()
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, s/2, s/2)."""
        halved: Tensor = (self.main(maps) + self.direct(maps)) / 2
        return halved


class _Doubling(nn.Sequential):
    """Nearest pixels, a convolution, BatchNorm and a gate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            convolution(inputs, 2 * outputs, 3, padding=1),
            nn.BatchNorm2d(2 * outputs),
            nn.GLU(dim=1),
        )


def decoder(inputs: int, shape: ImageShape) -> nn.Module:
    """From maps of 8 px to images of half the side."""
    levels = len(doublings(shape.height)) - 3
    widths = (inputs, *DECODER_WIDTHS[:levels])
    return nn.Sequential(
        *(_Doubling(wide, narrow) for wide, narrow in pairwise(widths)),
        convolution(widths[-1], shape.channels, 3, padding=1),
        nn.Tanh(),
    )


def shrunk(images: Tensor) -> Tensor:
    """Images at half their side: every other pixel, as the reference implementation takes them."""
    return F.interpolate(images, scale_factor=0.5, mode="nearest")


def _leaky() -> nn.Module:
    return nn.LeakyReLU(SLOPE)
