"""Random maps of the plane, and images seen through them. Twice differentiable in plain torch.

torch's ``grid_sample`` has no second derivative, which a penalty on the slope of what is behind it needs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .chance import Strength, either

#: The low-pass filter of the wavelet sym6 (Daubechies 1992): orthogonal, so that an image that is not moved
#: comes back as it was.
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip

#: Pixels around an image that its filter reads.
MARGIN = len(SYM6) // 2


def random_maps(images: Tensor, strength: Strength) -> Tensor:
    """From where each image is to be seen: (n, 3, 3), from places in the new image to places in the old one.

    Places are (x, y, 1) in pixels from the centre. In order: a mirror, quarter turns, shifts by whole
    pixels up to an eighth of the side, zoom by 2^N(0, 0.2), a turn, a stretch by as much, another turn,
    shifts by N(0, 1/8) of the side.

    Source: Karras et al. 2020 (ADA), appendix B; reference: NVlabs/stylegan2-ada-pytorch, ``bg`` of ``bgc``.
    """
    count, side, device = len(images), images.shape[-1], images.device
    one = torch.ones(count, device=device)

    def sometimes(value: Tensor, neutral: Tensor) -> Tensor:
        return either(value, neutral, strength)

    def turn() -> Tensor:
        angle = (torch.rand(count, device=device) * 2 - 1) * math.pi
        # Of two chances together as likely as one of the given strength.
        return either(angle, 0 * one, 1 - (1 - strength) ** 0.5)

    mirror = sometimes(1 - 2 * torch.randint(2, (count,), device=device).float(), one)
    quarters = sometimes(torch.randint(4, (count,), device=device).float(), 0 * one)
    whole = sometimes((torch.rand(2, count, device=device) * 2 - 1) / 8, 0 * one)
    zoom = sometimes(torch.exp2(0.2 * torch.randn(count, device=device)), one)
    before = turn()
    stretch = sometimes(torch.exp2(0.2 * torch.randn(count, device=device)), one)
    after = turn()
    shift = sometimes(torch.randn(2, count, device=device) / 8, 0 * one)

    maps = _scale(mirror, one) @ _turn(quarters * (math.pi / 2)) @ _shift(*(-(whole * side).round()))
    maps = maps @ _scale(1 / zoom, 1 / zoom) @ _turn(before) @ _scale(1 / stretch, stretch) @ _turn(after)
    return maps @ _shift(*(-shift * side))


def seen_through(images: Tensor, maps: Tensor) -> Tensor:
    """Images as ``random_maps`` says, (n, C, h, w) to the same; what lies beyond their edge is mirrored.

    They are looked at at twice the side, and filtered on the way there and back.
    """
    height, width = images.shape[2:]
    line = torch.tensor(SYM6, dtype=images.dtype, device=images.device)
    fine = _doubled(F.pad(images, (MARGIN,) * 4, mode="reflect"), line)
    # Pixel k of the fine image is at (k + 1/2) / 2 pixels from the edge of the margin.
    rows, columns = (
        (torch.arange(2 * (side + MARGIN), dtype=images.dtype, device=images.device) + 0.5) / 2
        - (side + MARGIN) / 2
        for side in (height, width)
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    old = maps @ torch.stack([x.flatten(), y.flatten(), torch.ones_like(x.flatten())])
    moved = _between_pixels(fine, 2 * (old[:, 0] + width / 2) - 0.5, 2 * (old[:, 1] + height / 2) - 0.5)
    return _halved(moved.unflatten(2, y.shape), line)


def _doubled(images: Tensor, line: Tensor) -> Tensor:
    """Twice the side, of padded images: fine pixels from ``MARGIN`` before their edge to as many behind."""
    channels, crop = images.shape[1], 2 * MARGIN - 1
    taps = (2 * line / line.sum()).expand(channels, 1, 1, -1)
    for kernel in (taps, taps.mT):
        along = (1, 2) if kernel.shape[-1] > 1 else (2, 1)
        images = F.conv_transpose2d(images, kernel, stride=along, groups=channels)
    return images[:, :, crop:-crop, crop:-crop]


def _halved(images: Tensor, line: Tensor) -> Tensor:
    """The way back: the transpose of ``_doubled``, to the same mean."""
    channels = images.shape[1]
    taps = (line / line.sum()).expand(channels, 1, 1, -1)
    images = images[:, :, 1:-1, 1:-1]
    for kernel in (taps, taps.mT):
        along = (1, 2) if kernel.shape[-1] > 1 else (2, 1)
        images = F.conv2d(images, kernel, stride=along, groups=channels)
    return images


def _between_pixels(fine: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear values of each image at places (n, p) in fine pixels: (n, C, p)."""
    side = fine.shape[-1]
    flat = fine.flatten(2)
    left, top = x.floor(), y.floor()
    values: Tensor = torch.zeros((), device=fine.device)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
            row = _mirrored(top.long() + down, fine.shape[-2])
            place = row * side + _mirrored(left.long() + right, side)
            taken = flat.gather(2, place[:, None].expand(-1, flat.shape[1], -1))
            values = values + weight[:, None] * taken
    return values


def _mirrored(index: Tensor, padded: int) -> Tensor:
    """Indices of fine pixels, from the image's edge on, as those of the padded image.

    Within its margin that holds what is there; beyond, the image is mirrored at the centres of its first
    and last pixels, which are between fine ones.
    """
    side = padded - 2 * MARGIN
    inner = (index - 1).remainder(2 * side - 4)
    inner = torch.where(inner < side - 2, inner, 2 * side - 5 - inner) + 1
    return MARGIN + torch.where((index >= -MARGIN) & (index < side + MARGIN), index, inner)


def _affine(rows: tuple[tuple[Tensor, ...], ...]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    no, one = torch.zeros_like(x), torch.ones_like(x)
    return _affine(((x, no, no), (no, y, no), (no, no, one)))


def _turn(angle: Tensor) -> Tensor:
    no, one = torch.zeros_like(angle), torch.ones_like(angle)
    return _affine(((angle.cos(), -angle.sin(), no), (angle.sin(), angle.cos(), no), (no, no, one)))


def _shift(x: Tensor, y: Tensor) -> Tensor:
    no, one = torch.zeros_like(x), torch.ones_like(x)
    return _affine(((one, no, x), (no, one, y), (no, no, one)))
