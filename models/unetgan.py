"""UNetGAN: a discriminator that judges every pixel too (Schönfeld et al. 2020)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.api import Clock, ImageShape, setting

from .adversarial import Fake, Terms
from .initialisation import initialise_orthogonal
from .latents import NoiseLaw, latent_dimension
from .layers import Generator, Trunk, spectrally_normalised
from .losses import CROSS_ENTROPY, squared_error
from .mixing import box_masks, mix
from .optimizers import adam
from .settings import BETAS, Betas, around
from .synthesis import AdversarialSynthesizer, LatentConfig, SynthesisConfig

SLOPE = 0.1


class UNetGANConfig(SynthesisConfig):
    """Options of UNetGAN."""

    betas: Betas = setting(
        (0.0, 0.999), "Adam's betas", source="reference: boschresearch/unetgan", tune=BETAS
    )
    attention: bool = setting(
        True, "self-attention on the generator's 16 x 16 and 32 x 32 maps", source="published: as SAGAN"
    )
    orthogonal_init: bool = setting(
        False,
        "draw first weights as orthogonal matrices instead of by torch's law",
        source="ours: off, so that all methods but one begin alike",
    )
    mix_share: float = setting(
        0.5,
        "share of the discriminator's steps that are taken on mixed images, once the ramp is over",
        source="reference: boschresearch/unetgan (FFHQ)",
        ge=0,
        le=1,
    )
    mix_warmup_epochs: int = setting(
        100,
        "time over which that share rises from 0",
        unit="epochs",
        source="published: n = 100 warm-up epochs of consistency regularisation",
        ge=0,
    )
    consistency: float = setting(
        1.0,
        "weight of the consistency loss in these steps",
        source="reference: boschresearch/unetgan",
        tune=around(1.0),
        ge=0,
    )


class PixelScores(NamedTuple):
    """Unbounded scores.

    Attributes:
        image: (n,), of whole images.
        pixels: (n, 1, H, W), of every pixel.
    """

    image: Tensor
    pixels: Tensor


class UNetGAN(AdversarialSynthesizer):
    """SAGAN's generator against a U-Net.

    3,603,509 and 6,182,338 parameters at 64 px.
    """

    version = 2
    Config = UNetGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "lr": 1e-4,
            "lr_discriminator": 5e-4,
            "batch_size": 20,
            "latent_dim": 128,
            "latent_distribution": "normal",
            "attention": False,
            "orthogonal_init": True,
            "ema_decay": 0.9999,
            "ema_start": 21_000,
            "ema_warmup": False,
            "augment": "flip",
        }
    }

    config: UNetGANConfig

    def __init__(self, shape: ImageShape, config: UNetGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        generator = Generator(
            shape, law.dimension, width=config.width, attention=config.attention, spectral=True
        )
        discriminator = UNetDiscriminator(shape, config.width)
        if config.orthogonal_init:
            initialise_orthogonal([generator, discriminator])
        self.compose(generator, discriminator, law, config)

    def optimizer(self, network: nn.Module, lr: float, config: LatentConfig) -> torch.optim.Optimizer:
        """Adam with the reference implementation's eps."""
        return adam(network, lr, config.betas, eps=1e-6)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Real against fake, or what the discriminator makes of their mixture."""
        real, fake_images = self.augmented(real, clock), self.augmented(fake.images.detach(), clock)
        if self.mixes_at(clock):
            return self.mixed_losses(real, fake_images)
        on_real, on_fake = _split(self.discriminator(torch.cat([real, fake_images])), 2)
        return {
            "real": (CROSS_ENTROPY.real(on_real.image) + CROSS_ENTROPY.real(on_real.pixels)) / 2,
            "fake": (CROSS_ENTROPY.fake(on_fake.image) + CROSS_ENTROPY.fake(on_fake.pixels)) / 2,
        }

    def mixed_losses(self, real: Tensor, fake: Tensor) -> Terms:
        """Losses of a step on mixed images: as images they are fake, as pixels they follow the mask.

        Gradients flow into the target of the consistency loss too, as in the reference implementation.
        """
        mask = box_masks(len(real), real.shape[-1], real.device)
        scores = self.discriminator(torch.cat([mix(mask, real, fake), real, fake]))
        on_mixed, on_real, on_fake = _split(scores, 3)
        target = mix(mask, on_real.pixels, on_fake.pixels)
        return {
            "mixed_image": CROSS_ENTROPY.fake(on_mixed.image),
            "mixed_pixels": F.binary_cross_entropy_with_logits(on_mixed.pixels, mask),
            "consistency": self.config.consistency * squared_error(on_mixed.pixels, target),
        }

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images, and pixels, that pass for real."""
        scores = self.discriminator(self.augmented(fake.images, clock))
        return {
            "image": CROSS_ENTROPY.generator(scores.image) / 2,
            "pixels": CROSS_ENTROPY.generator(scores.pixels) / 2,
        }

    def mixes_at(self, clock: Clock) -> bool:
        """Whether this step is taken on mixed images.

        The reference implementation draws it; here such steps are spread evenly, in the same share, so that
        the kind of a step follows from the clock alone.
        """
        warmup = self.config.mix_warmup_epochs
        share = self.config.mix_share * (min(1.0, clock.epoch / warmup) if warmup else 1.0)
        return int((clock.step + 1) * share) > int(clock.step * share)


class UNetDiscriminator(nn.Module):
    """DCGAN's discriminator, and a decoder back to the image's size that reads the trunk's maps again.

    Shape: (n, C, H, W) to ``PixelScores``. 6,182,338 parameters at 64 px, a layout that has the published
    parameter and operation counts (the original is a ResNet of 31M).
    """

    def __init__(self, shape: ImageShape, width: int) -> None:
        super().__init__()
        self.trunk = Trunk(shape, width=width, slope=SLOPE, spectral=True)
        *narrower, inputs = self.trunk.widths
        self.head = nn.Conv2d(inputs, 1, 4)
        self.decoder = nn.ModuleList()
        for outputs in reversed(narrower):
            convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
            self.decoder.append(spectrally_normalised(convolution))
            inputs = 2 * outputs
        self.merge = spectrally_normalised(nn.Conv2d(inputs, inputs // 2, 1))
        self.to_pixels = nn.ConvTranspose2d(inputs // 2, 1, 4, stride=2, padding=1)

    def forward(self, images: Tensor) -> PixelScores:
        """Judge images and their pixels."""
        *skips, maps = self.trunk(images)
        image = self.head(maps).flatten()
        for convolution, skip in zip(self.decoder, reversed(skips), strict=True):
            maps = torch.cat([F.leaky_relu(convolution(maps), SLOPE, inplace=True), skip], dim=1)
        return PixelScores(image, self.to_pixels(F.leaky_relu(self.merge(maps), SLOPE, inplace=True)))


def _split(scores: PixelScores, parts: int) -> list[PixelScores]:
    return [
        PixelScores(*part) for part in zip(scores.image.chunk(parts), scores.pixels.chunk(parts), strict=True)
    ]
