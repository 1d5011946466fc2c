"""StyleGAN2's generator: a mapping of latents to styles, and images that grow by skips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.api import ImageShape

from ..layers import doublings, image_side
from ..noise import AddedNoise, Draw
from ..resampling import doubled, lowpass
from .layers import Linear, Modulated, active

#: Side of the largest maps that have all channels; above, they halve with each doubling.
WIDEST = 32

#: How fast the mapping learns, as a share of the rate of everything else.
MAPPING_RATE = 0.01


def widths_of(side: int, width: int) -> dict[int, int]:
    """Channels of the maps at 4, 8, ..., ``side`` px."""
    return {one: width * WIDEST // max(WIDEST, one) for one in doublings(side)}


class Mapping(nn.Module):
    """From a latent vector, brought to unit length, to a style."""

    def __init__(self, latent_dim: int, style_dim: int, layers: int) -> None:
        super().__init__()
        inputs = [latent_dim, *(style_dim for _ in range(layers - 1))]
        self.layers = nn.ModuleList(Linear(one, style_dim, rate=MAPPING_RATE) for one in inputs)

    def forward(self, latents: Tensor) -> Tensor:
        """(n, latent_dim) to (n, style_dim)."""
        styles = latents * (latents.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            styles = active(layer(styles))
        return styles


class Layer(nn.Module):
    """A modulated convolution, noise, a bias and the activation."""

    def __init__(self, inputs: int, outputs: int, style: int, *, up: bool) -> None:
        super().__init__()
        self.convolution = Modulated(inputs, outputs, 3, style, up=up)
        self.noise = AddedNoise()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, maps: Tensor, style: Tensor, draw: Draw | None) -> Tensor:
        """Maps (n, inputs, s, s) to (n, outputs, s, s), or to twice the side."""
        return active(self.noise(self.convolution(maps, style), draw) + self.bias[:, None, None])


class ToImage(nn.Module):
    """What a level adds to the image: a modulated pixel, not demodulated, and a bias."""

    def __init__(self, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.convolution = Modulated(inputs, channels, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """(n, inputs, s, s) to (n, channels, s, s)."""
        image: Tensor = self.convolution(maps, style) + self.bias[:, None, None]
        return image


class Generator(nn.Module):
    """Mapping and synthesis.

    Shape: (n, latent_dim) to (n, C, H, W), unbounded.

    Attributes:
        layers: How many styles an image takes.

    Source: Karras et al. 2020 (StyleGAN2), Fig. 7 (skips); reference: NVlabs/stylegan2-ada-pytorch.
    """

    kernel: Tensor

    def __init__(
        self, shape: ImageShape, latent_dim: int, *, width: int, style_dim: int, mapping_layers: int
    ) -> None:
        super().__init__()
        widths = widths_of(image_side(shape), width)
        self.mapping = Mapping(latent_dim, style_dim, mapping_layers)
        self.constant = nn.Parameter(torch.randn(widths[4], 4, 4))
        self.stages, self.to_image = nn.ModuleList(), nn.ModuleList()
        for side, channels in widths.items():
            stage = nn.ModuleList([Layer(channels, channels, style_dim, up=False)])
            if side > 4:
                stage.insert(0, Layer(widths[side // 2], channels, style_dim, up=True))
            self.stages.append(stage)
            self.to_image.append(ToImage(channels, shape.channels, style_dim))
        self.layers = 2 * len(widths)
        self.register_buffer("kernel", lowpass(), persistent=False)

    def forward(self, latents: Tensor, draw: Draw | None = None) -> Tensor:
        """Images for latent vectors; ``draw`` gives the noise of the maps."""
        return self.synthesise(self.styles(latents), draw)

    def styles(self, latents: Tensor) -> Tensor:
        """The same style for each layer: (n, layers, style_dim)."""
        styles: Tensor = self.mapping(latents)[:, None].expand(-1, self.layers, -1)
        return styles

    def synthesise(self, styles: Tensor, draw: Draw | None = None) -> Tensor:
        """Images from styles (n, layers, style_dim)."""
        # What makes a level's image shares its style with the first layer of the next level.
        maps = self.constant.repeat(len(styles), 1, 1, 1)
        image: Tensor | None = None
        place = 0
        for stage, to_image in zip(self.stages, self.to_image, strict=True):
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                maps = layer(maps, styles[:, place], draw)
                place += 1
            added = to_image(maps, styles[:, place])
            image = added if image is None else doubled(image, self.kernel) + added
        assert image is not None
        return image
