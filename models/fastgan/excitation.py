"""Skip-layer excitation: small maps decide how much of each channel of large ones goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ..layers import spectrally_normalised


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
    """A convolution as FastGAN has them all: spectrally normalised, without a bias."""
    return spectrally_normalised(nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False))


class Excitation(nn.Module):
    """Multiply the channels of large maps by a gate in (0, 1) that is made of small ones.

    Shape: (n, C, h, w) and (n, C', H, W) to the latter.

    Source: Liu et al. 2021, Eq. 1; reference: odegeasslbc/FastGAN-pytorch, whose gate has Swish where the
    paper has LeakyReLU.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            convolution(inputs, channels, 4),
            nn.SiLU(),
            convolution(channels, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """The large maps, excited."""
        excited: Tensor = large * self.gate(small)
        return excited


#: How many levels are excited, the last ones of a network.
EXCITED = 3


def exciters(sides: Sequence[int], span: Callable[[int], int]) -> dict[int, int]:
    """Which maps excite which.

    Args:
        sides: Of the maps in the order in which a network makes them.
        span: The side of the maps that excite those of a side, in the published networks.

    Returns:
        From the sides of the last three maps to those of the maps that excite them: the published ones, or
        the first maps where images are too small for them.
    """
    return {side: span(side) if span(side) in sides else sides[0] for side in sides[1:][-EXCITED:]}
