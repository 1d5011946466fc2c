"""SAGAN: self-attention in the generator, spectral norm, hinge loss (Zhang et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from harness.api import ImageShape

from .latents import NoiseLaw, latent_dimension
from .layers import Discriminator, Generator
from .losses import HINGE
from .settings import BaselineConfig
from .synthesis import AdversarialSynthesizer, SynthesisConfig


class SAGANConfig(SynthesisConfig, BaselineConfig):
    """Options of SAGAN."""


class SAGAN(AdversarialSynthesizer):
    """The published baseline: attention in the generator alone, at 16 x 16 and 32 x 32.

    3,603,509 and 2,764,737 parameters at 64 px.
    """

    version = 1
    Config = SAGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {"lr": 1e-4, "lr_discriminator": 4e-4, "latent_distribution": "normal", "augment": ()}
    }
    loss = HINGE

    def __init__(self, shape: ImageShape, config: SAGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        generator = Generator(shape, law.dimension, width=config.width, attention=True, spectral=True)
        discriminator = Discriminator(shape, width=config.width, slope=0.1, spectral=True)
        self.compose(generator, discriminator, law, config)
