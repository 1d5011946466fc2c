"""Layers of StyleGAN2: weights scaled as they are used, and convolutions that a style modulates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..resampling import blurred, halved, lowpass

SLOPE = 0.2

#: What keeps the variance through the activation.
GAIN = math.sqrt(2)


def active(maps: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return F.leaky_relu(maps, SLOPE) * GAIN


class Linear(nn.Module):
    """A linear layer whose weights are drawn from N(0, 1) and scaled as they are used.

    So all weights learn at the same rate, whatever their scale (Karras et al. 2018); ``rate`` is that rate,
    as a share of the others'.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = rate / math.sqrt(inputs)
        self.rate = rate

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        return F.linear(vectors, self.weight * self.scale, self.bias * self.rate)


class Convolution(nn.Module):
    """A convolution scaled alike, filtered before it where it halves the side."""

    kernel: Tensor

    def __init__(
        self, inputs: int, outputs: int, size: int, *, down: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.down = down
        self.register_buffer("kernel", lowpass(), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, s, s) to (n, outputs, s, s), or to half the side."""
        weight, size = self.weight * self.scale, self.weight.shape[-1]
        if not self.down:
            return F.conv2d(maps, weight, self.bias, padding=size // 2)
        if size == 1:
            return F.conv2d(halved(maps, self.kernel), weight, self.bias)
        return F.conv2d(blurred(maps, self.kernel, padding=2), weight, self.bias, stride=2)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """What brings each output of a modulated convolution back to unit variance: (n, outputs).

    Args:
        weight: (outputs, inputs, k, k).
        styles: What each input is multiplied by, (n, inputs).

    Source: Karras et al. 2020 (StyleGAN2), Eq. 3.
    """
    squares = weight.float().square().sum(dim=(2, 3))
    return ((styles.float().square()[:, None] * squares).sum(dim=2) + 1e-8).rsqrt()


class Modulated(nn.Module):
    """A convolution whose inputs a style scales, and whose outputs are scaled back (Eq. 1 and 3).

    Scaling maps is the same as scaling weights, and takes no weights of each image's own.
    """

    kernel: Tensor

    def __init__(
        self, inputs: int, outputs: int, size: int, style: int, *, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.affine = Linear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.up = up
        self.demodulate = demodulate
        self.register_buffer("kernel", lowpass(), persistent=False)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Maps (n, inputs, s, s) and a style (n, style) to (n, outputs, s, s), or to twice the side."""
        styles, size = self.affine(style), self.weight.shape[-1]
        if not self.demodulate:
            styles = styles / math.sqrt(self.weight[0].numel())
        maps = maps * styles[:, :, None, None]
        if self.up:
            maps = F.conv_transpose2d(maps, self.weight.transpose(0, 1), stride=2)
            maps = blurred(maps, 4 * self.kernel, padding=1)
        else:
            maps = F.conv2d(maps, self.weight, padding=size // 2)
        if self.demodulate:
            maps = maps * demodulation(self.weight, styles)[:, :, None, None].to(maps.dtype)
        return maps
