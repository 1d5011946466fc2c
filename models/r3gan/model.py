"""R3GAN's losses and schedules, and the networks put together."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from harness.api import Batch, Clock, ImageShape, setting

from ..ada.pipeline import Pipeline
from ..adversarial import Fake, Terms
from ..averaging import decay_of_half_life
from ..latents import Distribution, NoiseLaw
from ..light import light_caveats
from ..optimizers import rate_factor
from ..penalties import squared_slopes
from ..settings import BETAS, RATES, Betas, SeenAugmentations
from ..synthesis import LatentConfig, LatentSynthesizer
from .networks import Discriminator, Generator
from .schedule import along

CODE = "reference: brownvc/R3GAN"

#: Weights of the penalties at first, by the side of the images; in the end a tenth of it.
GAMMAS = {32: 0.05, 64: 2.0, 128: 17.0, 256: 150.0}
FALL = 0.1

#: The published pipeline: chances of colours are half those of the others, and there is cutout.
PIPELINE = Pipeline(geometry=1.0, colour=0.5, cutout=1.0)


class R3GANConfig(LatentConfig):
    """Options of R3GAN."""

    augment: SeenAugmentations = setting(  # type: ignore[assignment]  # one more than the others have
        ("flip", "pipeline"),
        "flip and shift change real images alone, pipeline (ADA's) and diffaugment both real and generated "
        "ones; or none",
        source=CODE,
    )
    latent_dim: int = setting(64, "length of the generator's noise", source=CODE, ge=1)
    latent_distribution: Distribution = setting(
        "normal", "law of the noise: uniform in [-1, 1], or standard normal", source=CODE
    )
    width: int = setting(
        768,
        "channels of the maps up to 32 px; above, they halve with each doubling",
        source=f"{CODE}, for 64 and 256 px",
        ge=16,
        multiple_of=16,
    )
    lr: float = setting(2e-4, "learning rate of both networks at first", source=CODE, tune=RATES, gt=0)
    lr_end: float = setting(5e-5, "learning rate after the burn-in", source=CODE, gt=0)
    betas: Betas = setting((0.0, 0.9), "Adam's betas at first", source=CODE, tune=BETAS)
    beta_end: float = setting(0.99, "Adam's second beta after the burn-in", source=CODE, ge=0, lt=1)
    gamma: float | None = setting(
        None,
        "weight of R1 and R2 at first; it falls to a tenth. None: 0.05, 2, 17, 150 at 32, 64, 128, 256 px",
        source=f"{CODE}; ours: at 128 px",
        ge=0,
    )
    pipeline_end: float = setting(
        0.3,
        "chance of each change of the pipeline after the burn-in; at first there is none",
        source=f"{CODE}, for 64 and 256 px",
        ge=0,
        le=1,
    )
    burn_in: int = setting(
        6000,
        "time over which rates, betas, weights, the average and the pipeline reach their last values",
        unit="steps",
        source="ours: 500 epochs of COVID-CT; the original's is 20 million images",
        ge=1,
    )
    ema_half_life: float | None = setting(
        None,
        "how long the averaged generator that samples takes to forget half, after the burn-in; none means a "
        "fortieth of the burn-in's images",
        unit="images",
        source=f"{CODE}, for 64 and 256 px, as a share of its burn-in",
        gt=0,
    )


class R3GAN(LatentSynthesizer):
    """A relativistic GAN whose discriminator may be steep at neither real nor generated images.

    22.4M parameters each at 64 px; 23.1M and 23.0M at 256 px, as published.
    """

    version = 1
    Config = R3GANConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {
            "batch_size": 512,
            "burn_in": 39_062,
            "ema_half_life": 5e6,
            "pipeline_end": 0.55,
        },
        "light": {"width": 32},
        "smoke": {"width": 16},
    }
    presets_from: ClassVar = {
        "reference": {64: {"batch_size": 256, "burn_in": 78_125, "ema_half_life": 5e5, "pipeline_end": 0.3}}
    }

    config: R3GANConfig

    def __init__(self, shape: ImageShape, config: R3GANConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(config.latent_dim, config.latent_distribution)
        generator = Generator(shape, law.dimension, width=config.width)
        self.compose(generator, Discriminator(shape, width=config.width), law, config)
        self.gamma = GAMMAS[shape.height] if config.gamma is None else config.gamma

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """A small network."""
        return light_caveats(self)

    def rate_at(self, clock: Clock) -> float:
        """From ``lr`` to ``lr_end``."""
        config = self.config
        return rate_factor(config, clock) * self._now(1.0, config.lr_end / config.lr, clock)

    def decay(self, clock: Clock, count: int) -> float:
        """By a half-life that rises from nothing."""
        half_life = self.config.ema_half_life or self.config.burn_in * count / 40
        return decay_of_half_life(self._now(0.0, half_life, clock), 1.0, count, clock.step)

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """The adversarial step, with Adam's second beta of this time."""
        first, second = self.config.betas
        for optimizer in self.optimizers().values():
            for group in optimizer.param_groups:
                group["betas"] = (first, self._now(second, self.config.beta_end, clock))
        return super().train_step(batch, clock)

    def augmented(self, images: Tensor, clock: Clock) -> Tensor:
        """Images through the pipeline, too."""
        images = super().augmented(images, clock)
        strength = self._now(0.0, self.config.pipeline_end, clock)
        if "pipeline" not in self.config.augment or not strength:
            return images
        return PIPELINE(images, strength, self.shape.labels)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Each real image above a generated one, and slopes of neither.

        Slopes are taken at images before their augmentation.

        Source: Huang et al. 2024, Eq. 2, 3 and 4.
        """
        real, fakes = (images.detach().requires_grad_() for images in (real, fake.images))
        on_real, on_fake = self.judge(self.augmented(real, clock), self.augmented(fakes, clock))
        terms = {"pairing": pairing(on_real, on_fake)}
        if gamma := self._now(self.gamma, FALL * self.gamma, clock):
            r1, r2 = squared_slopes(torch.cat([on_real, on_fake]), [real, fakes])
            terms |= {"r1": gamma / 2 * r1.mean(), "r2": gamma / 2 * r2.mean()}
        return terms

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Each generated image above a real one."""
        on_real, on_fake = self.judge(self.augmented(real, clock), self.augmented(fake.images, clock))
        return {"pairing": pairing(on_fake, on_real)}

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed, cut to the range of pixels."""
        return super().sample(seeds).clamp(-1, 1)

    def _now(self, first: float, last: float, clock: Clock) -> float:
        return along(first, last, clock.step / self.config.burn_in)


def pairing(above: Tensor, below: Tensor) -> Tensor:
    """-log sigmoid of how far each score of one side is above one of the other (Jolicoeur-Martineau 2019)."""
    return softplus(below - above).mean()
