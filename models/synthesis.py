"""Images from noise: what all generators of latent vectors share."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import BeforeValidator
from torch import Tensor, nn

from harness.api import Batch, Clock, Synthesizer, setting

from .adversarial import AdversarialModel, Fake, Terms
from .averaging import decay_at, follow
from .diffaugment import Change, diff_augment
from .latents import Distribution, LatentLaw, SeededDraws
from .losses import AdversarialLoss
from .optimizers import adam
from .settings import (
    BETAS,
    RATES,
    Augmentations,
    AveragingConfig,
    Betas,
    DescentConfig,
    split_at_commas,
)

Changes = Annotated[tuple[Change, ...], BeforeValidator(split_at_commas)]


class LatentConfig(DescentConfig):
    """What every GAN from noise lets the user choose."""

    augment: Augmentations = setting(
        ("flip", "shift"),
        "flip and shift change real images alone, diffaugment both real and generated ones; or none",
        source="published: flipping and panning for all methods but HAGAN",
    )
    diffaugment: Changes = setting(
        ("color", "translation", "cutout"),
        "what diffaugment changes",
        source="reference: data-efficient-gans, all three for a few hundred images",
        min_length=1,
    )

    latent_dim: int | None = setting(
        None,
        "length of the generator's noise; none means 100 up to 64 px and 1000 above",
        source="published: z in [-1, 1]^100, and [-1, 1]^1000 at 256 px",
        ge=1,
    )
    latent_distribution: Distribution = setting(
        "uniform", "law of the noise: uniform in [-1, 1], or standard normal", source="published: uniform"
    )
    width: int = setting(
        512,
        "channels of the deepest maps of convolutional networks; all others follow",
        source="inferred: the published parameter and operation counts",
        ge=64,
        multiple_of=64,
    )
    betas: Betas = setting(
        (0.0, 0.9), "Adam's betas", source="reference: heykeetae/Self-Attention-GAN", tune=BETAS
    )
    lr: float = setting(
        1e-3, "learning rate of both networks", source="published: 1e-3 for G and D", tune=RATES, gt=0
    )
    lr_discriminator: float | None = setting(
        None,
        "learning rate of the discriminator where it differs; none means lr",
        source="published: one rate",
        tune=RATES,
        gt=0,
    )


class SynthesisConfig(LatentConfig, AveragingConfig):
    """The same, and an average of the generator that samples, where one is asked for."""


class LatentSynthesizer(AdversarialModel, Synthesizer):
    """A generator of images from noise, and perhaps an average of it that samples.

    A subclass builds the two networks and the law of the latents, calls ``compose``, and states its losses.

    Attributes:
        loss: The adversarial loss of both networks, unless a subclass overrides their losses.
        average: The network that samples; None where the generator itself does.
    """

    loss: AdversarialLoss
    config: LatentConfig
    average: nn.Module | None

    def compose(
        self, generator: nn.Module, discriminator: nn.Module, law: LatentLaw, config: LatentConfig
    ) -> None:
        """Take in the parts, and make an optimiser for each network."""
        self.law = law
        self.average = copy.deepcopy(generator).requires_grad_(False) if self.averages() else None
        optimizers = {
            "generator": self.optimizer(generator, config.lr, config),
            "discriminator": self.optimizer(discriminator, config.lr_discriminator or config.lr, config),
        }
        self.set_networks(generator, discriminator, optimizers)

    def averages(self) -> bool:
        """Whether an average of the generator samples."""
        return True

    @abc.abstractmethod
    def decay(self, clock: Clock, count: int) -> float:
        """What the average keeps of itself in a step of so many images."""

    def optimizer(self, network: nn.Module, lr: float, config: LatentConfig) -> torch.optim.Optimizer:
        """Make the optimiser of one network."""
        return adam(network, lr, config.betas)

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Noise for the generator, images for the discriminator."""
        return {**super().example_inputs(count), "generator": (self.law.draw(count),)}

    def generate(self, batch: Batch, *, needs_gradient: bool) -> Fake:
        """Make as many images as there are real ones, from new noise."""
        latents = self.law.draw(len(batch.images), device=batch.images.device)
        with torch.set_grad_enabled(needs_gradient):
            return Fake(self.generator(latents), latents)

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """The adversarial step; then the average follows the generator, where there is one."""
        logs = super().train_step(batch, clock)
        if self.average is not None and "generator" in logs:
            follow(self.average, self.generator, self.decay(clock, len(batch.images)))
        return logs

    def augmented(self, images: Tensor, clock: Clock) -> Tensor:
        """Real or generated images as the discriminator is to see them, with gradients through the change.

        Every image that a loss judges comes from here: one side changed and the other not would teach the
        generator to make changed images.
        """
        return diff_augment(images, self.changes_at(clock), self.shape.labels)

    def changes_at(self, clock: Clock) -> Sequence[Change]:
        """What DiffAugment changes in this step."""
        return self.config.diffaugment if "diffaugment" in self.config.augment else ()

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Real images against generated ones."""
        return self.losses_between(self.augmented(real, clock), self.augmented(fake.images.detach(), clock))

    def losses_between(self, real: Tensor, fake: Tensor) -> Terms:
        """The discriminator's losses on what it sees of both."""
        scores_real, scores_fake = self.judge(real, fake)
        return {"real": self.loss.real(scores_real), "fake": self.loss.fake(scores_fake)}

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images that pass for real."""
        scores = self.discriminator(self.augmented(fake.images, clock))
        return {"adversarial": self.loss.generator(scores)}

    @property
    def sampler(self) -> nn.Module:
        """The generator that samples: the average, where there is one."""
        return self.generator if self.average is None else self.average

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed."""
        images: Tensor = self.sampler(self.seeded_latents(seeds))
        return images.contiguous()

    def seeded_latents(self, seeds: Tensor) -> Tensor:
        """One latent for each seed, on the model's device."""
        return self.law.seeded(SeededDraws(seeds, self.device))


class AdversarialSynthesizer(LatentSynthesizer):
    """One whose average, where there is one, has the same decay in every step."""

    config: SynthesisConfig

    def averages(self) -> bool:
        """Where a decay is given."""
        return self.config.ema_decay is not None

    def decay(self, clock: Clock, count: int) -> float:
        """As configured."""
        return decay_at(self.config, clock.step)
