"""The layers that every GAN here is made of: one generator and one discriminator, for any resolution.

At 64 px they are the networks that the published parameter and operation counts belong to. Above, two
64-channel stages join at the image's end, so that a model stays small (3.8M and 2.9M parameters at 256 px).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from harness.api import ImageShape, SpecError

#: Sides of the maps that self-attention reads, the two last ones of a generator at 64 px. At larger sides
#: it would cost more than all convolutions together.
ATTENTION_SIDES = (16, 32)

#: Sides of the maps that a discriminator's self-attention reads, where it has one.
JUDGED_ATTENTION_SIDES = (8, 4)

#: The fused attention kernel wins from this number of positions (32 x 32) on, and loses below.
FUSED_FROM_POSITIONS = 1024

#: A saliency needs whole attention matrices, 4 MiB each at 32 x 32: this many images at a time.
SALIENCY_IMAGES = 8

#: The longest latent that a generator's first convolution reads as it is.
DIRECT_LATENT = 128

#: The length that a longer one is projected to.
PROJECTED_LATENT = 100


def doublings(side: int) -> tuple[int, ...]:
    """Sides of square maps from 4 px to ``side``, each twice the one before.

    Raises:
        SpecError: ``side`` is no power of two from 32 on.
    """
    stages = int(math.log2(side)) - 1 if side > 0 else 0
    if stages < 4 or 2 ** (stages + 1) != side:
        raise SpecError(
            f"these networks can't make images of {side} px",
            needed="a power of two from 32 on",
            hint="--res 64",
        )
    return tuple(4 << stage for stage in range(stages))


def stage_widths(side: int, width: int) -> tuple[int, ...]:
    """Channels of the feature maps at 4, 8, ..., ``side / 2`` pixels: from ``width`` halving to an eighth."""
    return tuple(max(width // 8, width >> stage) for stage, _ in enumerate(doublings(side)[:-1]))


def image_side(shape: ImageShape) -> int:
    """The side of square images.

    Raises:
        SpecError: The images are not square.
    """
    if shape.height != shape.width:
        raise SpecError(
            f"images of {shape.height} x {shape.width} px",
            needed="square images",
            hint="bench data prepare --help",
        )
    return shape.height


def spectrally_normalised(layer: nn.Module) -> nn.Module:
    """Divide a convolution's weight by its largest singular value (one power iteration a step).

    The weight is read as (first dimension) x (rest) for transposed convolutions too. These are adjoints of
    convolutions with the same weight, and an adjoint has the same norm.

    Source: Miyato et al. 2018; reference: heykeetae/Self-Attention-GAN.
    """
    return parametrizations.spectral_norm(layer, dim=0)


class SelfAttention(nn.Module):
    """Every position reads from every other one; ``gamma`` starts at 0, so the block starts as the identity.

    Shape: (n, C, h, w) to the same.

    Source: Zhang et al. 2019; reference: heykeetae/Self-Attention-GAN (queries and keys of C/8 channels,
    values of C channels, no pooling, no scaling of the energies, no output convolution).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """The maps, plus ``gamma`` times what each position read."""
        read = attend(_positions(self.query(maps)), _positions(self.key(maps)), _positions(self.value(maps)))
        attended: Tensor = maps + self.gamma * read.transpose(1, 2).unflatten(2, maps.shape[2:])
        return attended

    @torch.no_grad()
    def saliency(self, maps: Tensor) -> Tensor:
        """How much the image looks at each position: the attention it receives, averaged over all queries.

        Returns:
            (n, 1, h, w), positive, each map with sum 1, without gradient.
        """
        received = []
        for part in maps.split(SALIENCY_IMAGES):
            energy = _positions(self.query(part)) @ _positions(self.key(part)).transpose(1, 2)
            received.append(energy.softmax(dim=2).mean(dim=1))
        saliency: Tensor = torch.cat(received).unflatten(1, (1, *maps.shape[2:]))
        return saliency


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention without scaling: (n, positions, d), (n, positions, d), (n, positions, c) to the last.

    Large maps go through the fused kernel, unless ``torch.nn.attention.sdpa_kernel`` asks for plain
    operations, as one does to count them.
    """
    if query.shape[1] >= FUSED_FROM_POSITIONS and _may_fuse():
        return _attend_fused(query, key, value)
    return _attend_plain(query, key, value)


def _may_fuse() -> bool:
    if torch.compiler.is_compiling():  # a compiler can't look at these switches without cutting the network
        return True
    return bool(torch.backends.cuda.flash_sdp_enabled() or torch.backends.cuda.mem_efficient_sdp_enabled())


def _attend_plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(1, 2)).softmax(dim=2) @ value


def _attend_fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # The kernel needs equal depths and contiguous rows; otherwise torch takes a slow path without a word.
    # Zeros added to queries and keys change no energy.
    padding = (0, value.shape[2] - query.shape[2])
    query, key, value = F.pad(query, padding), F.pad(key, padding), value.contiguous()
    one_head = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], scale=1.0)
    return one_head[:, 0]


def _positions(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


class GrowStage(nn.Module):
    """One doubling of the generator's maps (or their first appearance, at 4 px), then perhaps attention."""

    def __init__(self, convolution: nn.ConvTranspose2d, *, attention: bool, spectral: bool) -> None:
        super().__init__()
        channels = convolution.out_channels
        self.convolution = spectrally_normalised(convolution) if spectral else convolution
        self.norm = nn.BatchNorm2d(channels)
        self.attention = SelfAttention(channels) if attention else None

    def forward(self, maps: Tensor) -> Tensor:
        """(n, C, s, s) to (n, C', 2 s, 2 s)."""
        return self.attend(self.grow(maps))

    def grow(self, maps: Tensor) -> Tensor:
        """The stage without its attention."""
        # Of 1 x 1 maps nobody can tell how they are laid out: the first stage's output must be told.
        grown = self.convolution(maps).contiguous(memory_format=torch.channels_last)
        return F.relu(self.norm(grown), inplace=True)

    def attend(self, maps: Tensor) -> Tensor:
        """The stage's attention, where it has one."""
        return maps if self.attention is None else self.attention(maps)


class Generator(nn.Module):
    """Transposed convolutions from a latent vector to an image, from ``width`` channels at 4 px down.

    Shape: (n, latent_dim) to (n, C, H, W) in [-1, 1].

    Source: Radford et al. 2016 without attention, Zhang et al. 2019 with; 3,577,667 and 3,603,509
    parameters at 64 px and a width of 512. The linear map from latents longer than 128 is ours: without
    it, the first layer alone would have 8.2M parameters at 256 px.
    """

    def __init__(
        self, shape: ImageShape, latent_dim: int, *, width: int, attention: bool, spectral: bool
    ) -> None:
        super().__init__()
        widths = stage_widths(image_side(shape), width)
        projected = latent_dim if latent_dim <= DIRECT_LATENT else PROJECTED_LATENT
        self.project = nn.Linear(latent_dim, projected) if latent_dim > projected else nn.Identity()
        convolutions = [nn.ConvTranspose2d(projected, widths[0], 4)]
        for narrow, wide in zip(widths[1:], widths[:-1], strict=True):
            convolutions.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1))
        self.stages = nn.ModuleList(
            GrowStage(convolution, attention=attention and 4 << level in ATTENTION_SIDES, spectral=spectral)
            for level, convolution in enumerate(convolutions)
        )
        self.to_image = nn.ConvTranspose2d(widths[-1], shape.channels, 4, stride=2, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images for latent vectors."""
        maps = self.first_maps(latents)
        for stage in self.stages:
            maps = stage(maps)
        return torch.tanh(self.to_image(maps))

    def first_maps(self, latents: Tensor) -> Tensor:
        """Latent vectors as (n, projected, 1, 1) maps."""
        maps: Tensor = self.project(latents)[:, :, None, None]
        return maps


class Trunk(nn.Module):
    """Strided convolutions from an image down to ``width`` maps of 4 x 4: the generator mirrored.

    Source: Radford et al. 2016. The published counts belong to ``batch_norm=False`` and no attention; where
    it stands: heykeetae/Self-Attention-GAN.
    """

    def __init__(
        self,
        shape: ImageShape,
        *,
        width: int,
        slope: float,
        spectral: bool,
        batch_norm: bool = False,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.widths = stage_widths(image_side(shape), width)[::-1]
        self.slope = slope
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        self.attentions = nn.ModuleList()
        for level, (inputs, outputs) in enumerate(
            zip((shape.channels, *self.widths[:-1]), self.widths, strict=True)
        ):
            convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            self.convolutions.append(spectrally_normalised(convolution) if spectral else convolution)
            self.norms.append(nn.BatchNorm2d(outputs) if batch_norm and level > 0 else nn.Identity())
            attends = attention and shape.height >> (level + 1) in JUDGED_ATTENTION_SIDES
            self.attentions.append(SelfAttention(outputs) if attends else nn.Identity())

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps after every stage, from (n, width / 8, H/2, W/2) to (n, width, 4, 4)."""
        maps = images.contiguous(memory_format=torch.channels_last)
        levels = []
        for convolution, norm, attend in zip(self.convolutions, self.norms, self.attentions, strict=True):
            maps = attend(F.leaky_relu(norm(convolution(maps)), self.slope, inplace=True))
            levels.append(maps)
        return levels


class Discriminator(nn.Module):
    """The trunk and one convolution over its last maps: unbounded scores, higher for real images.

    Shape: (n, C, H, W) in [-1, 1] to (n, outputs). 2,764,737 parameters at 64 px with one output, without
    BatchNorm and attention, at a width of 512.
    """

    def __init__(
        self,
        shape: ImageShape,
        *,
        width: int,
        slope: float,
        spectral: bool,
        batch_norm: bool = False,
        attention: bool = False,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(
            shape, width=width, slope=slope, spectral=spectral, batch_norm=batch_norm, attention=attention
        )
        self.head = nn.Conv2d(self.trunk.widths[-1], outputs, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of images."""
        scores: Tensor = self.head(self.trunk(images)[-1])
        return scores.flatten(1)
