"""DCGAN: transposed convolutions against convolutions (Radford et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

from harness.api import ImageShape, setting

from .initialisation import initialise_normal
from .latents import NoiseLaw, latent_dimension
from .layers import Discriminator, Generator
from .losses import CROSS_ENTROPY
from .settings import BETAS, Betas
from .synthesis import AdversarialSynthesizer, SynthesisConfig


class DCGANConfig(SynthesisConfig):
    """Options of DCGAN."""

    betas: Betas = setting(
        (0.5, 0.999), "Adam's betas", source="reference: pytorch/examples dcgan", tune=BETAS
    )
    spectral_norm: bool = setting(
        True,
        "divide the weights of both networks by their spectral norm",
        source="published: SAGAN without its attention",
    )
    discriminator_batch_norm: bool = setting(
        False,
        "BatchNorm in the discriminator from its second layer on",
        source="inferred: the published operation count leaves no room for it",
    )
    normal_init: bool = setting(
        False, "draw first weights from N(0, 0.02) instead of torch's law", source="inferred: as SAGAN"
    )


class DCGAN(AdversarialSynthesizer):
    """The published baseline: SAGAN without attention, with the non-saturating cross-entropy.

    3,577,667 and 2,764,737 parameters at 64 px.
    """

    version = 2
    Config = DCGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "lr": 2e-4,
            "batch_size": 64,
            "latent_dim": 100,
            "latent_distribution": "normal",
            "spectral_norm": False,
            "discriminator_batch_norm": True,
            "normal_init": True,
            "augment": "none",
        }
    }
    loss = CROSS_ENTROPY

    def __init__(self, shape: ImageShape, config: DCGANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(latent_dimension(config.latent_dim, shape), config.latent_distribution)
        generator = Generator(
            shape, law.dimension, width=config.width, attention=False, spectral=config.spectral_norm
        )
        discriminator = Discriminator(
            shape,
            width=config.width,
            slope=0.2,
            spectral=config.spectral_norm,
            batch_norm=config.discriminator_batch_norm,
        )
        if config.normal_init:
            initialise_normal([generator, discriminator])
        self.compose(generator, discriminator, law, config)
