"""The one adversarial training step. A GAN adds its networks and losses, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from harness.api import Batch, Clock, PluginConfig, Synthesizer, setting

from .latents import Distribution, LatentLaw, SeededDraws
from .losses import AdversarialLoss
from .optimizers import adam

Terms = dict[str, Tensor]


def split_at_commas(value: object) -> object:
    """Read the text of several values in one setting."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


#: Several values in one setting; on the command line ``--set augment=flip,shift``, or nothing for none.
Augmentations = Annotated[tuple[Literal["flip", "shift"], ...], BeforeValidator(split_at_commas)]
Betas = Annotated[tuple[float, float], BeforeValidator(split_at_commas)]


class BaselineConfig(PluginConfig):
    """What every baseline lets the user choose."""

    augment: Augmentations = setting(
        ("flip", "shift"),
        "plain augmentations of real images; where left and right differ (heart, brain) use shift alone",
        source="published: flipping and panning for all methods but HAGAN",
    )


class AdversarialConfig(PluginConfig):
    """What every GAN lets the user choose."""

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


@dataclass(frozen=True)
class Fake:
    """What the generator made in this step.

    Attributes:
        images: (n, C, H, W) in [-1, 1], with the generator's gradient.
        latents: (n, latent_dim), the noise they came from.
    """

    images: Tensor
    latents: Tensor


class AdversarialModel(Synthesizer):
    """A generator against a discriminator.

    A subclass builds the two networks and the law of the latents, calls ``compose``, and states its losses.

    Attributes:
        critic_steps: Discriminator steps for each generator step.
        loss: The adversarial loss of both networks, unless a subclass overrides their losses.
    """

    loss: AdversarialLoss
    critic_steps: int = 1

    generator: nn.Module
    discriminator: nn.Module

    def compose(
        self, generator: nn.Module, discriminator: nn.Module, law: LatentLaw, config: AdversarialConfig
    ) -> None:
        """Take in the parts, and make an optimiser for each network."""
        self.generator = generator
        self.discriminator = discriminator
        self.law = law
        self._optimizers = {
            "generator": self.optimizer(generator, config.lr, config),
            "discriminator": self.optimizer(discriminator, config.lr_discriminator or config.lr, config),
        }
        self._judges_apart = any(isinstance(module, nn.BatchNorm2d) for module in discriminator.modules())

    def optimizer(self, network: nn.Module, lr: float, config: AdversarialConfig) -> torch.optim.Optimizer:
        """Make the optimiser of one network."""
        return adam(network, lr, config.betas)

    def networks(self) -> Mapping[str, nn.Module]:
        """Generator and discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Noise for the generator, images for the discriminator."""
        return {**super().example_inputs(count), "generator": (self.law.draw(count),)}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimisers of generator and discriminator."""
        return self._optimizers

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """One discriminator step, and every ``critic_steps``-th time a generator step on the same fakes."""
        generator_moves = (clock.step + 1) % self.critic_steps == 0
        # Inside, a spectrally normalised weight is computed once, however many batches pass through it.
        with parametrize.cached():
            fake = self.generate(batch.images, needs_gradient=generator_moves)
            terms = self.discriminator_losses(batch.images, fake, clock)
        logs = self._descend("discriminator", terms)
        if generator_moves:
            with frozen(self.discriminator):
                logs |= self._descend("generator", self.generator_losses(fake, clock))
        return logs

    def generate(self, real: Tensor, *, needs_gradient: bool) -> Fake:
        """Make as many images as there are real ones."""
        latents = self.law.draw(len(real), device=real.device)
        with torch.set_grad_enabled(needs_gradient):
            return Fake(self.generator(latents), latents)

    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """The discriminator's losses, weighted: their sum is minimised. The fakes must be detached."""
        scores_real, scores_fake = self.judge(real, fake.images.detach())
        return {"real": self.loss.real(scores_real), "fake": self.loss.fake(scores_fake)}

    def generator_losses(self, fake: Fake, clock: Clock) -> Terms:
        """The generator's losses, weighted: their sum is minimised."""
        return {"adversarial": self.loss.generator(self.discriminator(fake.images))}

    def judge(self, *batches: Tensor) -> Sequence[Tensor]:
        """The discriminator's scores of several batches, in one pass where it has no batch statistics."""
        if self._judges_apart:
            return [self.discriminator(batch) for batch in batches]
        scores: Tensor = self.discriminator(torch.cat(batches))
        parts: Sequence[Tensor] = scores.split([len(batch) for batch in batches])
        return parts

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed."""
        images: Tensor = self.generator(self.seeded_latents(seeds))
        return images.contiguous()

    def seeded_latents(self, seeds: Tensor) -> Tensor:
        """One latent for each seed, on the model's device."""
        return self.law.seeded(SeededDraws(seeds, self.device))

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.parameters()).device

    def _descend(self, name: str, terms: Terms) -> Terms:
        optimizer = self._optimizers[name]
        total = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        logs = {name: total} | {f"{name}/{term}": value for term, value in terms.items()}
        return {key: value.detach() for key, value in logs.items()}


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients flow through a network and not into it: its weights' gradients are a third of a pass."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
