"""The product's networks as public implementations write them. Every network is made from one of ours."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from harness_models import layers
from harness_models.hagan.discriminator import HierarchicalDiscriminator, Judgement
from harness_models.unetgan import PixelScores, UNetDiscriminator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """A convolution that divides its weight by the largest singular value at every pass.

    Source: reference: heykeetae/Self-Attention-GAN. There every pass moves the two vectors. Ours move once
    a phase, so here each pass begins where its phase began, and ``advance`` ends the phase: the work is
    that of the reference, the numbers are ours.
    """

    def __init__(self, normalised: nn.Module) -> None:
        super().__init__()
        vectors = normalised.parametrizations.weight[0]
        self.u, self.v = vectors._u.clone(), vectors._v.clone()
        self.moved = self.u, self.v
        self.weight = copy.deepcopy(normalised.parametrizations.weight.original)
        self.bias = copy.deepcopy(normalised.bias)
        upwards = isinstance(normalised, nn.ConvTranspose2d)
        self.convolve = F.conv_transpose2d if upwards else F.conv2d
        self.geometry = {"stride": normalised.stride, "padding": normalised.padding}

    def forward(self, maps: Tensor) -> Tensor:
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            u = F.normalize(matrix.mv(self.v), dim=0, eps=1e-12)
            v = F.normalize(matrix.t().mv(u), dim=0, eps=1e-12)
        self.moved = u, v
        weight = self.weight / u.dot(matrix.mv(v)).expand_as(self.weight)
        return self.convolve(maps, weight, self.bias, **self.geometry)

    def advance(self) -> None:
        """End a phase."""
        self.u, self.v = self.moved


def advance(network: nn.Module) -> None:
    """End a phase of all spectrally normalised layers."""
    for module in network.modules():
        if isinstance(module, SpectralNorm):
            module.advance()


def plain(layer: nn.Module) -> nn.Module:
    """A copy of a layer, normalised by the module above where ours is."""
    return SpectralNorm(layer) if parametrize.is_parametrized(layer) else copy.deepcopy(layer)


class SelfAttention(nn.Module):
    """Attention as a softmax over whole matrices of energies."""

    def __init__(self, ours: layers.SelfAttention) -> None:
        super().__init__()
        self.query, self.key, self.value = map(copy.deepcopy, (ours.query, ours.key, ours.value))
        self.gamma = copy.deepcopy(ours.gamma)
        self.attention: Tensor | None = None

    def forward(self, maps: Tensor) -> Tensor:
        count, channels, height, width = maps.shape
        query = self.query(maps).view(count, -1, height * width).permute(0, 2, 1)
        key = self.key(maps).view(count, -1, height * width)
        attention = torch.softmax(torch.bmm(query, key), dim=-1)
        value = self.value(maps).view(count, -1, height * width)
        read = torch.bmm(value, attention.permute(0, 2, 1)).view(count, channels, height, width)
        self.attention = attention.detach()
        return self.gamma * read + maps


class Generator(nn.Module):
    """Transposed convolutions from a latent vector to an image."""

    def __init__(self, ours: layers.Generator) -> None:
        super().__init__()
        self.project = copy.deepcopy(ours.project)
        self.convolutions = nn.ModuleList(plain(stage.convolution) for stage in ours.stages)
        self.norms = nn.ModuleList(copy.deepcopy(stage.norm) for stage in ours.stages)
        self.attentions = nn.ModuleList(
            SelfAttention(stage.attention) if stage.attention else nn.Identity() for stage in ours.stages
        )
        self.to_image = plain(ours.to_image)

    def forward(self, latents: Tensor, skips: Sequence[Tensor] | None = None) -> Tensor:
        latents = self.project(latents)
        maps = latents.view(*latents.shape, 1, 1)
        stages = zip(self.convolutions, self.norms, self.attentions, strict=True)
        for level, (convolution, norm, attention) in enumerate(stages):
            maps = torch.relu(norm(convolution(maps)))
            maps = attention(maps if skips is None else maps + skips[level])
        return torch.tanh(self.to_image(maps))

    def saliency(self) -> Tensor:
        """The last attention that each position received in the last pass: (n, 1, h, w)."""
        last = [module for module in self.attentions if isinstance(module, SelfAttention)][-1]
        received = last.attention.mean(dim=1, keepdim=True)
        side = round(received.shape[-1] ** 0.5)
        return received.view(-1, 1, side, side)


class Trunk(nn.Module):
    """Strided convolutions from an image to maps of 4 x 4."""

    def __init__(self, ours: layers.Trunk) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(plain(convolution) for convolution in ours.convolutions)
        self.norms = copy.deepcopy(ours.norms)
        self.slope = ours.slope

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, levels = images, []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = F.leaky_relu(norm(convolution(maps)), self.slope)
            levels.append(maps)
        return levels


class Discriminator(nn.Module):
    """The trunk and one convolution over its last maps."""

    def __init__(self, ours: layers.Discriminator) -> None:
        super().__init__()
        self.trunk, self.head = Trunk(ours.trunk), plain(ours.head)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(images)[-1]).flatten(1)


class UNet(nn.Module):
    """UNetGAN's discriminator: scores of images and of pixels."""

    def __init__(self, ours: UNetDiscriminator) -> None:
        super().__init__()
        self.trunk, self.head = Trunk(ours.trunk), plain(ours.head)
        self.decoder = nn.ModuleList(plain(convolution) for convolution in ours.decoder)
        self.merge, self.to_pixels = plain(ours.merge), plain(ours.to_pixels)

    def forward(self, images: Tensor) -> PixelScores:
        *skips, maps = self.trunk(images)
        image = self.head(maps).flatten()
        for convolution in self.decoder:
            maps = torch.cat([F.leaky_relu(convolution(maps), self.trunk.slope), skips.pop()], dim=1)
        return PixelScores(image, self.to_pixels(F.leaky_relu(self.merge(maps), self.trunk.slope)))


class Hierarchical(nn.Module):
    """HAGAN's discriminator with the branch on the trunk's maps: scores of images and of pixels, and maps."""

    def __init__(self, ours: HierarchicalDiscriminator) -> None:
        super().__init__()
        self.trunk, self.head = Trunk(ours.trunk), plain(ours.head)
        self.heads = copy.deepcopy(ours.pixel_branch.heads)

    def forward(self, images: Tensor) -> Judgement:
        maps = self.trunk(images)
        pixels = tuple(head(level) for head, level in zip(self.heads, maps, strict=False))
        return Judgement(self.head(maps[-1]).flatten(), pixels, tuple(maps))
