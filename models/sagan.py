"""SAGAN: self-attention in the generator, spectral norm, hinge loss (Zhang et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from harness.api import ImageShape, setting

from .latents import NoiseLaw, latent_dimension
from .layers import Discriminator, Generator
from .losses import HINGE
from .synthesis import AdversarialSynthesizer, SynthesisConfig


class SAGANConfig(SynthesisConfig):
    """Options of SAGAN."""

    discriminator_attention: bool = setting(
        False,
        "self-attention on the discriminator's 8 x 8 and 4 x 4 maps too",
        source="inferred: the published operation count leaves no room for it",
    )


class SAGAN(AdversarialSynthesizer):
    """The published baseline: attention in the generator alone, at 16 x 16 and 32 x 32.

    3,603,509 and 2,764,737 parameters at 64 px; 3,175,299 with the discriminator's attention.
    """

    version = 2
    Config = SAGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "lr": 1e-4,
            "lr_discriminator": 4e-4,
            "batch_size": 64,
            "latent_dim": 128,
            "latent_distribution": "normal",
            "discriminator_attention": True,
            "augment": "none",
        }
    }
    loss = HINGE

    def __init__(self, shape: ImageShape, config: SAGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        generator = Generator(shape, law.dimension, width=config.width, attention=True, spectral=True)
        discriminator = Discriminator(
            shape, width=config.width, slope=0.1, spectral=True, attention=config.discriminator_attention
        )
        self.compose(generator, discriminator, law, config)
