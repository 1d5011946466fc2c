"""The one diffusion model: a network that learns a process, and its average, which leads back to images."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.api import Batch, Clock, Model, Synthesizer, Translator

from ..averaging import follow
from ..latents import SeededDraws, seeds_of
from ..light import light_caveats
from ..optimizers import Descent, adam
from .process import Predict, Process
from .settings import DiffusionConfig


class DiffusionModel(Model):
    """A denoiser and its process.

    A subclass makes both and calls ``compose``, and says how the average follows.

    Attributes:
        denoiser: The network that learns.
        average: The network that samples.
        process: What it learns, and the way back.
        state_shape: Shape of what the process works on: an image's, unless it works on something else.
    """

    config: Any
    denoiser: nn.Module
    average: nn.Module
    process: Process
    state_shape: tuple[int, int, int]

    def compose(self, denoiser: nn.Module, process: Process) -> None:
        """Take in the parts, and make the average and the optimisers."""
        self.denoiser = denoiser
        self.average = copy.deepcopy(denoiser).requires_grad_(False)
        self.process = process
        self.state_shape = (self.shape.channels, self.shape.height, self.shape.width)
        self._descent = Descent(self.make_optimizers(self.config), self.config)

    def make_optimizers(self, config: DiffusionConfig) -> Mapping[str, torch.optim.Optimizer]:
        """New optimisers, by the name of the network that learns: Adam on the denoiser."""
        return {"denoiser": adam(self.denoiser, config.lr, config.betas)}

    @abc.abstractmethod
    def decay(self, clock: Clock, count: int) -> float:
        """What the average keeps of itself in a step of so many images."""

    def networks(self) -> Mapping[str, nn.Module]:
        """The networks that learn; the average has the denoiser's shape."""
        return {name: self.get_submodule(name) for name in self.optimizers()}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimiser of each network that learns."""
        return self._descent.optimizers

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """A small network, which says little of the method."""
        return light_caveats(self)

    def learn(
        self, images: Tensor, start: Tensor, clock: Clock, source: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step of the denoiser, which its average follows.

        Args:
            images: Where the process should lead back to, (n, *state_shape).
            start: Where it begins, same shape.
            clock: Where training stands.
            source: What the denoiser sees beside each state; None for nothing.
        """
        loss = self.process.loss(_asking(self.denoiser, source), images, start)
        self._descent.step("denoiser", loss, clock)
        follow(self.average, self.denoiser, self.decay(clock, len(images)))
        return {"denoiser": loss.detach()}

    def lead_back(
        self, start: Tensor, draws: SeededDraws, source: Tensor | None = None, *, preview: bool
    ) -> Tensor:
        """What the average makes of a start, by the samplers of the config."""
        config = self.config
        sampler = config.preview_sampler if preview else config.sampler
        steps = config.preview_steps if preview else config.sampling_steps
        return self.process.back(_asking(self.average, source), start, draws, sampler, steps)

    def example_states(self, count: int, channels: int) -> tuple[Tensor, Tensor]:
        """States and times, such as the denoiser is called with."""
        return (
            torch.zeros(count, channels, *self.state_shape[1:]),
            torch.zeros(count, dtype=self.process.times),
        )


class DiffusionSynthesizer(DiffusionModel, Synthesizer):
    """Images from noise."""

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """Noisy images and their times."""
        return {"denoiser": self.example_states(count, self.state_shape[0])}

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """One step of the process between images and noise."""
        return self.learn(batch.images, torch.randn_like(batch.images), clock)

    def sample(self, seeds: Tensor) -> Tensor:
        """One image for each seed, by the average; all noise comes from the seed's own stream."""
        return self._make(seeds, preview=False)

    def preview(self, seeds: Tensor) -> Tensor:
        """The same by the sampler for evaluations during training."""
        return self._make(seeds, preview=True)

    def to_images(self, states: Tensor) -> Tensor:
        """Images in [-1, 1] from what the process works on."""
        return states.clamp(-1, 1)

    def _make(self, seeds: Tensor, *, preview: bool) -> Tensor:
        draws = SeededDraws(seeds, next(self.parameters()).device)
        noise = draws.normal(self.state_shape)
        return self.to_images(self.lead_back(noise, draws, preview=preview))


class DiffusionTranslator(DiffusionModel, Translator):
    """Images from another modality, which the denoiser sees beside each state.

    Noise comes from a stream of the source's own: image i depends on source i alone.
    """

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """States beside their sources, and their times."""
        return {"denoiser": self.example_states(count, 2 * self.state_shape[0])}

    @abc.abstractmethod
    def start_from(self, source: Tensor, draws: SeededDraws | None) -> Tensor:
        """Where the process begins, same shape.

        Args:
            source: The other modality.
            draws: The streams to draw noise from; None for torch's global generator, in training.
        """

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """One step of the process between images and what it starts from."""
        assert batch.source is not None
        return self.learn(batch.images, self.start_from(batch.source, None), clock, batch.source)

    def translate(self, source: Tensor) -> Tensor:
        """One image for each source, by the average."""
        return self._make(source, preview=False)

    def preview(self, source: Tensor) -> Tensor:
        """The same by the sampler for evaluations during training."""
        return self._make(source, preview=True)

    def _make(self, source: Tensor, *, preview: bool) -> Tensor:
        draws = SeededDraws(seeds_of(source), source.device)
        start = self.start_from(source, draws)
        return self.lead_back(start, draws, source, preview=preview).clamp(-1, 1).contiguous()


def _asking(network: nn.Module, source: Tensor | None) -> Predict:
    """A network of diffusers as a process asks it."""

    def answer(states: Tensor, times: Tensor) -> Tensor:
        seen = states if source is None else torch.cat([states, source], dim=1)
        found: Tensor = network(seen, times).sample
        return found

    return answer
