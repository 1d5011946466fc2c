"""A model put to the test: made from a seed, trained for a few steps, asked for images."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..api import Batch, Clock, ImageShape, Model, Synthesizer, Translator
from ..training.checkpoints import load_state, save_state

BATCH = 3
"""Images a step."""
STEPS_PER_EPOCH = 2
"""So few that whatever waits for an epoch comes soon."""
_IDENTITY = "check"


@dataclass(frozen=True)
class Trial:
    """How a model is made, and what it is shown.

    Attributes:
        kind: Its class.
        shape: Of its images.
        settings: Overrides of its default config.
    """

    kind: type[Model]
    shape: ImageShape
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, seed: int = 0) -> Model:
        """A new model."""
        torch.manual_seed(seed)
        return self.kind(self.shape, self.kind.Config(**self.settings))

    def train(self, model: Model, steps: int, first_step: int = 0) -> dict[str, Tensor]:
        """Train on the same images over and over, a translator from their negatives.

        Returns:
            The losses of the last step.
        """
        images = self.noise(range(BATCH))
        source = -images if isinstance(model, Translator) else None
        losses: dict[str, Tensor] = {}
        model.train()
        for step in range(first_step, first_step + steps):
            losses = model.train_step(Batch(images, source), Clock(step, step // STEPS_PER_EPOCH, epochs=100))
        return losses

    def draw(self, model: Model, seeds: Sequence[int], *, preview: bool = False, ambient: int = 0) -> Tensor:
        """An image for each seed; a translator's is made from noise of that seed.

        Args:
            model: Who makes them.
            seeds: The seeds.
            preview: Take the model's shorter way.
            ambient: Seed of torch's global generator, which must not matter.
        """
        if isinstance(model, Synthesizer):
            make = partial(model.preview if preview else model.sample, torch.tensor(seeds))
        else:
            assert isinstance(model, Translator)
            make = partial(model.preview if preview else model.translate, self.noise(seeds))
        torch.manual_seed(ambient)
        model.eval()
        with torch.no_grad():
            return make()

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Uniform noise in [-1, 1], one image for each seed."""
        size = (self.shape.channels, self.shape.height, self.shape.width)
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        return torch.stack([torch.rand(size, generator=stream) for stream in streams]) * 2 - 1


def state_of(model: Model) -> dict[str, Any]:
    """A copy of all that the training loop writes into a checkpoint."""
    state = {"model": model.state_dict(), "optimizers": optimizer_states(model)}
    return {**copy.deepcopy(state), "random": torch.get_rng_state()}


def through_file(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """A state as it comes back from a checkpoint file."""
    save_state(path, _IDENTITY, state)
    loaded, _ = load_state(path, _IDENTITY)
    assert loaded is not None
    return loaded


def restore(model: Model, state: dict[str, Any]) -> None:
    """Go back to a state."""
    model.load_state_dict(state["model"])
    for name, optimizer in model.optimizers().items():
        optimizer.load_state_dict(state["optimizers"][name])
    torch.set_rng_state(state["random"])


def optimizer_states(model: Model) -> dict[str, Any]:
    """The states of all optimisers by name."""
    return {name: optimizer.state_dict() for name, optimizer in model.optimizers().items()}


def differences(first: Any, second: Any, where: str = "") -> list[str]:
    """Where two states differ, by the names that lead there; tensors are compared bit by bit."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        same = first.shape == second.shape and first.dtype == second.dtype
        return [] if same and torch.equal(first, second) else [where]
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if first.keys() != second.keys():
            return [where or "names"]
        return [
            one for key in first for one in differences(first[key], second[key], f"{where}.{key}".strip("."))
        ]
    if isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        return [
            one
            for n, pair in enumerate(zip(first, second, strict=True))
            for one in differences(*pair, f"{where}.{n}")
        ]
    return [] if first == second else [where]
