"""Images from noise: what all generators of latent vectors share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from harness.api import Batch, Clock, PluginConfig, Synthesizer, setting

from .adversarial import AdversarialModel, Fake, Terms
from .latents import Distribution, LatentLaw, SeededDraws
from .losses import AdversarialLoss
from .optimizers import adam
from .settings import Betas


class SynthesisConfig(PluginConfig):
    """What every GAN from noise lets the user choose."""

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
    betas: Betas = setting((0.0, 0.9), "Adam's betas", source="reference: heykeetae/Self-Attention-GAN")
    lr: float = setting(1e-3, "learning rate of both networks", source="published: 1e-3 for G and D", gt=0)
    lr_discriminator: float | None = setting(
        None,
        "learning rate of the discriminator where it differs; none means lr",
        source="published: one rate",
        gt=0,
    )


class AdversarialSynthesizer(AdversarialModel, Synthesizer):
    """A generator of images from noise.

    A subclass builds the two networks and the law of the latents, calls ``compose``, and states its losses.

    Attributes:
        loss: The adversarial loss of both networks, unless a subclass overrides their losses.
    """

    loss: AdversarialLoss

    def compose(
        self, generator: nn.Module, discriminator: nn.Module, law: LatentLaw, config: SynthesisConfig
    ) -> None:
        """Take in the parts, and make an optimiser for each network."""
        self.law = law
        optimizers = {
            "generator": self.optimizer(generator, config.lr, config),
            "discriminator": self.optimizer(discriminator, config.lr_discriminator or config.lr, config),
        }
        self.set_networks(generator, discriminator, optimizers)

    def optimizer(self, network: nn.Module, lr: float, config: SynthesisConfig) -> torch.optim.Optimizer:
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

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Real images against generated ones."""
        scores_real, scores_fake = self.judge(real, fake.images.detach())
        return {"real": self.loss.real(scores_real), "fake": self.loss.fake(scores_fake)}

    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """Images that pass for real."""
        return {"adversarial": self.loss.generator(self.discriminator(fake.images))}

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed."""
        images: Tensor = self.generator(self.seeded_latents(seeds))
        return images.contiguous()

    def seeded_latents(self, seeds: Tensor) -> Tensor:
        """One latent for each seed, on the model's device."""
        return self.law.seeded(SeededDraws(seeds, self.device))
