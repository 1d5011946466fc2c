"""The one adversarial training step, for images from noise and from other images.

A GAN adds its networks and losses, nothing else.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from harness.api import Batch, Clock, Model

from .optimizers import Descent, rate_factor
from .settings import DescentConfig

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Fake:
    """What the generator made in this step.

    Attributes:
        images: (n, C, H, W) in [-1, 1], with the generator's gradient.
        inputs: What they were made from: noise (n, latent_dim), or source images (n, C, H, W).
    """

    images: Tensor
    inputs: Tensor


class ReadsBatch(nn.Module):
    """A layer that makes of an image what depends on the images beside it."""


class AdversarialModel(Model):
    """A generator against a discriminator.

    A subclass builds the two networks, calls ``set_networks``, makes fakes, and states its losses.

    Attributes:
        critic_steps: Discriminator steps for each generator step.
    """

    critic_steps: int = 1

    config: DescentConfig
    generator: nn.Module
    discriminator: nn.Module

    def set_networks(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        optimizers: Mapping[str, torch.optim.Optimizer],
    ) -> None:
        """Take in both networks, and an optimiser by the name of each that learns."""
        self.generator = generator
        self.discriminator = discriminator
        self._descent = Descent(optimizers, self.config, self.rate_at)
        self._judges_apart = any(
            isinstance(module, nn.BatchNorm2d | ReadsBatch) for module in discriminator.modules()
        )

    def rate_at(self, clock: Clock) -> float:
        """What learning rates are multiplied by in a step."""
        return rate_factor(self.config, clock)

    def networks(self) -> Mapping[str, nn.Module]:
        """The networks that learn."""
        return {name: self.get_submodule(name) for name in self.optimizers()}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimiser of each network that learns."""
        return self._descent.optimizers

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """One discriminator step, and every ``critic_steps``-th time a generator step on the same fakes."""
        generator_moves = (clock.step + 1) % self.critic_steps == 0
        # Inside, a spectrally normalised weight is computed once, however many batches pass through it.
        with parametrize.cached():
            fake = self.generate(batch, needs_gradient=generator_moves)
            terms = self.discriminator_losses(batch.images, fake, clock)
        logs = self._descend("discriminator", terms, clock)
        if generator_moves:
            with frozen(self.discriminator):
                logs |= self._descend("generator", self.generator_losses(batch.images, fake, clock), clock)
        return logs

    @abc.abstractmethod
    def generate(self, batch: Batch, *, needs_gradient: bool) -> Fake:
        """Make as many images as there are real ones."""

    @abc.abstractmethod
    def discriminator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """The discriminator's losses, weighted: their sum is minimised. The fakes must be detached.

        No loss, no step: where nobody judges, the generator learns alone.
        """

    @abc.abstractmethod
    def generator_losses(self, real: Tensor, fake: Fake, clock: Clock) -> Terms:
        """The generator's losses, weighted: their sum is minimised."""

    def judge(self, *batches: Tensor) -> Sequence[Tensor]:
        """The discriminator's scores of several batches, in one pass where it has no batch statistics."""
        if self._judges_apart:
            return [self.discriminator(batch) for batch in batches]
        scores: Tensor = self.discriminator(torch.cat(batches))
        parts: Sequence[Tensor] = scores.split([len(batch) for batch in batches])
        return parts

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.parameters()).device

    def _descend(self, name: str, terms: Terms, clock: Clock) -> Terms:
        if not terms:
            return {}
        total = torch.stack(list(terms.values())).sum()
        self._descent.step(name, total, clock)
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
