"""StyleGAN2-ADA: its losses, its two lazy regularisers, and the networks put together."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape, setting

from ..ada.pipeline import Pipeline
from ..adversarial import Fake, Terms
from ..averaging import decay_of_half_life
from ..latents import Distribution, NoiseLaw, SeededDraws
from ..light import light_caveats
from ..losses import CROSS_ENTROPY
from ..optimizers import adam
from ..penalties import squared_slopes
from ..settings import BETAS, RATES, Betas, SeenAugmentations, around
from ..synthesis import LatentConfig, LatentSynthesizer
from .adaptation import Adaptation
from .discriminator import Discriminator
from .generator import Generator

CODE = "reference: NVlabs/stylegan2-ada-pytorch"
AUTO = f"{CODE}, --cfg=auto"

#: Steps between two steps of a regulariser, which then counts so many times as much.
SLOPE_INTERVAL = 16
PATH_INTERVAL = 4

#: How fast the mean path length follows.
PATH_DECAY = 0.01


class StyleGAN2ADAConfig(LatentConfig):
    """Options of StyleGAN2-ADA."""

    augment: SeenAugmentations = setting(  # type: ignore[assignment]  # one more than the others have
        ("pipeline",),
        "flip and shift change real images alone, pipeline (ADA's bgc, adaptive) and diffaugment both real "
        "and generated ones; or none",
        source=CODE,
    )
    latent_dim: int = setting(512, "length of the generator's noise", source=CODE, ge=1)
    latent_distribution: Distribution = setting(
        "normal", "law of the noise: uniform in [-1, 1], or standard normal", source=CODE
    )
    style_dim: int = setting(512, "length of a style", source=CODE, ge=1)
    mapping_layers: int = setting(2, "layers from latents to styles", source=AUTO, ge=1)
    width: int = setting(
        512,
        "channels of the maps up to 32 px; above, they halve with each doubling",
        source=f"{AUTO}, up to 256 px",
        ge=16,
        multiple_of=16,
    )
    lr: float = setting(2.5e-3, "learning rate of both networks", source=AUTO, tune=RATES, gt=0)
    betas: Betas = setting((0.0, 0.99), "Adam's betas", source=CODE, tune=BETAS)
    gamma: float | None = setting(None, "weight of R1; none means 0.0002 side^2 / batch", source=AUTO, ge=0)
    path_weight: float = setting(
        2.0, "weight of the path length regularisation", source=CODE, tune=around(2.0), ge=0
    )
    style_mixing: float = setting(
        0.9, "share of batches whose later layers take the styles of other latents", source=CODE, ge=0, le=1
    )
    ada_target: float = setting(
        0.6, "mean sign of the scores of real images that augmentation aims at", source=CODE, ge=-1, le=1
    )
    ada_images: float = setting(
        500_000, "how long the chance of augmentations takes from 0 to 1", unit="images", source=CODE, gt=0
    )
    ema_half_life: float | None = setting(
        None,
        "how long the averaged generator that samples takes to forget half; none means 312.5 batches",
        unit="images",
        source=AUTO,
        gt=0,
    )
    ema_rampup: float = setting(
        0.05, "longest half-life, as a share of the images seen so far", source=AUTO, gt=0
    )


class StyleGAN2ADA(LatentSynthesizer):
    """A generator by styles, against a discriminator whose images are augmented as far as it overfits.

    22.2M and 23.4M parameters at 64 px; 23.2M and 24.0M at 256 px, as published.
    """

    version = 1
    Config = StyleGAN2ADAConfig
    resolutions = (32, 64, 128, 256)
    presets: ClassVar = {
        "reference": {"lr": 2.5e-3, "batch_size": 32},
        "light": {"width": 64, "style_dim": 128},
        "smoke": {"width": 16, "style_dim": 64},
    }
    presets_from: ClassVar = {"reference": {256: {"batch_size": 16}}}
    loss = CROSS_ENTROPY

    config: StyleGAN2ADAConfig
    generator: Generator
    path_mean: Tensor

    def __init__(self, shape: ImageShape, config: StyleGAN2ADAConfig) -> None:
        super().__init__(shape, config)
        law = NoiseLaw(config.latent_dim, config.latent_distribution)
        generator = Generator(
            shape,
            law.dimension,
            width=config.width,
            style_dim=config.style_dim,
            mapping_layers=config.mapping_layers,
        )
        self.compose(generator, Discriminator(shape, width=config.width), law, config)
        self.pipeline = Pipeline()
        self.adaptation = Adaptation(config.ada_target, config.ada_images)
        self.register_buffer("path_mean", torch.zeros(()))

    def optimizer(self, network: nn.Module, lr: float, config: LatentConfig) -> torch.optim.Optimizer:
        """Adam, corrected for the steps that regularisers add.

        Source: Karras et al. 2020 (StyleGAN2), appendix B, lazy regularisation.
        """
        interval = PATH_INTERVAL if isinstance(network, Generator) else SLOPE_INTERVAL
        share = interval / (interval + 1)
        first, second = config.betas
        return adam(network, lr * share, (first**share, second**share))

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """A small network."""
        return light_caveats(self)

    def decay(self, clock: Clock, count: int) -> float:
        """By the half-life."""
        half_life = self.config.ema_half_life or 312.5 * count
        return decay_of_half_life(half_life, self.config.ema_rampup, count, clock.step)

    def augmented(self, images: Tensor, clock: Clock) -> Tensor:
        """Images through the pipeline, too."""
        images = super().augmented(images, clock)
        if "pipeline" not in self.config.augment:
            return images
        return self.pipeline(images, self.adaptation.chance.clamp(max=1), self.shape.labels)

    def generate(self, batch: Batch, *, needs_gradient: bool) -> Fake:
        """Make as many images as there are real ones, from mixed styles."""
        latents = self.law.draw(len(batch.images), device=batch.images.device)
        with torch.set_grad_enabled(needs_gradient):
            return Fake(self.generator.synthesise(self.mixed_styles(latents)), latents)

    def mixed_styles(self, latents: Tensor) -> Tensor:
        """Styles of which, most of the time, those from a random layer on are of other latents.

        Source: Karras et al. 2019, section 3.1; reference: one place for the whole batch.
        """
        styles = self.generator.styles(latents)
        if not self.config.style_mixing:
            return styles
        device = latents.device
        others = self.generator.styles(self.law.draw(len(latents), device=device))
        place = torch.randint(1, self.generator.layers, (), device=device)
        mixes = torch.rand((), device=device) < self.config.style_mixing
        exchanged = mixes & (torch.arange(self.generator.layers, device=device) >= place)
        return torch.where(exchanged[:, None], others, styles)

    def losses_between(self, real: Tensor, fake: Tensor) -> Terms:
        """The discriminator's losses; what it makes of real images adapts their augmentation."""
        on_real, on_fake = self.judge(real, fake)
        self.adaptation.note(on_real)
        return {"real": self.loss.real(on_real), "fake": self.loss.fake(on_fake)}

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """Regularise where it is time, then the adversarial step, then adapt the augmentation."""
        logs: dict[str, Tensor] = {}
        if clock.step % SLOPE_INTERVAL == 0 and self.config.gamma != 0:
            logs["r1"] = self._regularise(
                "discriminator", SLOPE_INTERVAL, self.slope_loss(batch, clock), clock
            )
        if clock.step % PATH_INTERVAL == 0 and self.config.path_weight:
            logs["path_length"] = self._regularise(
                "generator", PATH_INTERVAL, self.path_loss(len(batch.images)), clock
            )
        logs |= super().train_step(batch, clock)
        self.adaptation.adjust(clock.step, len(batch.images))
        return logs | {"augmentation": self.adaptation.chance.clone()}

    def slope_loss(self, batch: Batch, clock: Clock) -> Tensor:
        """R1: half the squared slope at real images before their augmentation, weighted.

        Source: Mescheder et al. 2018, Eq. 9.
        """
        images = batch.images.detach().requires_grad_()
        scores = self.discriminator(self.augmented(images, clock))
        self.adaptation.note(scores)
        (slopes,) = squared_slopes(scores, [images])
        gamma = self.config.gamma
        if gamma is None:
            gamma = 0.0002 * self.shape.height**2 / len(images)
        return gamma / 2 * slopes.mean()

    def path_loss(self, count: int) -> Tensor:
        """How far a step in styles is from moving all images by the same length: half as many as a batch.

        Source: Karras et al. 2020 (StyleGAN2), Eq. 4 and appendix B.
        """
        styles = self.mixed_styles(self.law.draw(max(1, count // 2), device=self.device))
        lengths = path_lengths(self.generator.synthesise(styles), styles).float()
        mean = self.path_mean.lerp(lengths.mean(), PATH_DECAY)
        self.path_mean.copy_(mean.detach())
        return self.config.path_weight * (lengths - mean).square().mean()

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed, cut to the range of pixels; noise comes from the seed's stream too."""
        draws = SeededDraws(seeds, self.device)
        images: Tensor = self.sampler(self.law.seeded(draws), draws.normal)
        return images.clamp(-1, 1).contiguous()

    def _regularise(self, name: str, interval: int, loss: Tensor, clock: Clock) -> Tensor:
        self._descent.step(name, interval * loss, clock)
        return loss.detach()


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """By how much images move in a random direction as their styles do: (n,).

    Args:
        images: (n, C, H, W), made from the styles.
        styles: (n, layers, d).
    """
    direction = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
    (slopes,) = torch.autograd.grad((images * direction).sum(), styles, create_graph=True)
    return slopes.square().sum(dim=2).mean(dim=1).sqrt()
