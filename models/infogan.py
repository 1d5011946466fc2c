"""InfoGAN: part of the latent is a code that the discriminator must read back (Chen et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.api import Clock, ImageShape, setting

from .adversarial import Fake, Terms
from .initialisation import initialise_normal
from .latents import Distribution, LatentLaw, NoiseLaw
from .layers import Discriminator, Generator
from .losses import CROSS_ENTROPY, squared_error
from .settings import BETAS, Betas, around
from .synthesis import AdversarialSynthesizer, SynthesisConfig


class InfoGANConfig(SynthesisConfig):
    """Options of InfoGAN."""

    latent_dim: int | None = setting(
        None,
        "length of the noise beside the codes; none means 62 up to 64 px and 1000 above",
        source="inferred: 62 + 12 gives the published operation count at 64 px; published: 1000 at 256 px",
        ge=1,
    )
    betas: Betas = setting((0.5, 0.999), "Adam's betas", source="reference: openai/InfoGAN", tune=BETAS)
    categories: int = setting(
        10, "values of the categorical code", source="reference: openai/InfoGAN, PyTorch-GAN", ge=2
    )
    continuous: int = setting(
        2, "continuous codes, each uniform in [-1, 1]", source="reference: openai/InfoGAN, PyTorch-GAN", ge=0
    )
    info_categorical: float = setting(
        1.0,
        "weight of the categorical code's cross-entropy",
        source="reference: PyTorch-GAN",
        tune=around(1.0),
        ge=0,
    )
    info_continuous: float = setting(
        0.1,
        "weight of the continuous codes' squared error",
        source="reference: PyTorch-GAN",
        tune=around(0.1),
        ge=0,
    )


class CodedLaw(LatentLaw):
    """Noise, then a one-hot category, then continuous codes."""

    def __init__(self, noise: int, distribution: Distribution, categories: int, continuous: int) -> None:
        self.noise = NoiseLaw(noise, distribution)
        self.codes = NoiseLaw(continuous, "uniform")
        self.categories = categories
        self.dimension = noise + categories + continuous

    def draw(
        self, count: int, *, device: torch.device | None = None, stream: torch.Generator | None = None
    ) -> Tensor:
        """Draw (count, dimension) latents."""
        noise = self.noise.draw(count, device=device, stream=stream)
        category = torch.randint(self.categories, (count,), device=device, generator=stream)
        codes = self.codes.draw(count, device=device, stream=stream)
        # Not F.one_hot, which waits for the device to see that all categories are in range.
        one_hot = torch.zeros(count, self.categories, device=device).scatter_(1, category[:, None], 1.0)
        return torch.cat([noise, one_hot, codes], dim=1)

    def split(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The category of each latent as a one-hot row, and its continuous codes."""
        _, one_hot, codes = latents.split(
            [self.noise.dimension, self.categories, self.codes.dimension], dim=1
        )
        return one_hot, codes


class InfoGAN(AdversarialSynthesizer):
    """DCGAN's pair, with BatchNorm and 13 outputs in the discriminator: one verdict and the codes.

    3,364,675 and 2,864,845 parameters at 64 px. The published operation counts belong to this pair; no
    layout is known that has the published parameter counts as well.
    """

    version = 2
    Config = InfoGANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "lr": 1e-3,
            "lr_discriminator": 2e-4,
            "batch_size": 128,
            "latent_dim": 62,
            "info_continuous": 1.0,
            "augment": "none",
        }
    }

    config: InfoGANConfig
    law: CodedLaw

    def __init__(self, shape: ImageShape, config: InfoGANConfig) -> None:
        super().__init__(shape, config)
        noise = config.latent_dim or (62 if shape.height <= 64 else 1000)
        law = CodedLaw(noise, config.latent_distribution, config.categories, config.continuous)
        generator = Generator(shape, law.dimension, width=config.width, attention=False, spectral=False)
        discriminator = Discriminator(
            shape,
            width=config.width,
            slope=0.2,
            spectral=False,
            batch_norm=True,
            outputs=1 + config.categories + config.continuous,
        )
        initialise_normal([generator, discriminator])
        self.compose(generator, discriminator, law, config)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Real against fake, and the codes of the fakes."""
        on_real, on_fake = self.judge(
            self.augmented(real, clock), self.augmented(fake.images.detach(), clock)
        )
        adversarial = {"real": CROSS_ENTROPY.real(on_real[:, 0]), "fake": CROSS_ENTROPY.fake(on_fake[:, 0])}
        return adversarial | self.information(on_fake, fake.inputs)

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images that pass for real, and from which the codes can be read."""
        outputs = self.discriminator(self.augmented(fake.images, clock))
        adversarial = {"adversarial": CROSS_ENTROPY.generator(outputs[:, 0])}
        return adversarial | self.information(outputs, fake.inputs)

    def information(self, outputs: Tensor, latents: Tensor) -> Terms:
        """How badly the codes are read back: a bound on the mutual information (Chen et al. 2016, Eq. 5)."""
        one_hot, codes = self.law.split(latents)
        _, logits, values = outputs.split([1, self.config.categories, self.config.continuous], dim=1)
        terms = {"category": self.config.info_categorical * F.cross_entropy(logits, one_hot)}
        if self.config.continuous:
            terms["continuous"] = self.config.info_continuous * squared_error(values, codes)
        return terms
