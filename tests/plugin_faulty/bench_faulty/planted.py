"""A generator whose merit is known beforehand, for tests of what scores and marks make of it."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from harness_datasets.phantom import Phantom, PhantomConfig
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Batch, Clock, ImageShape, PluginConfig, Synthesizer, setting
from harness.data.pixels import to_model_range, to_uint8
from harness.training.augmentation import augmented_once

Kind = Literal["copier", "noisy copier", "augmented copier", "collapsed", "perfect", "noise"]


class PlantedConfig(PluginConfig):
    kind: Kind = setting("copier", "what it makes", source="ours")
    images: int = setting(80, "images of the phantom that it trains on", source="ours")
    augment: tuple[Literal["flip", "shift"], ...] = setting((), "as other models'", source="ours")


class Planted(Synthesizer[PlantedConfig]):
    """Makes images of the phantom without learning anything."""

    version = 1
    Config = PlantedConfig
    resolutions: ClassVar = None

    def __init__(self, shape: ImageShape, config: PlantedConfig) -> None:
        super().__init__(shape, config)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1)
        pictures = to_model_range(torch.from_numpy(made(shape.height, config)))
        self.register_buffer("made", pictures.expand(-1, shape.channels, -1, -1).clone())

    def networks(self) -> dict[str, torch.nn.Module]:
        return {"generator": torch.nn.Identity()}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"generator": self.optimizer}

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        return {"generator": batch.images.mean()}

    def sample(self, seeds: Tensor) -> Tensor:
        return self.made[seeds.to(self.made.device) % len(self.made)]


def made(side: int, config: PlantedConfig) -> NDArray[np.uint8]:
    """uint8 (n, 1, side, side), as many as training images, so that every look sees them all."""
    train = _drawn(0, side, config.images)
    if config.kind == "copier":
        return train
    if config.kind == "noisy copier":
        noise = np.random.default_rng(0).normal(0, 2, train.shape)
        return (train + noise).round().clip(0, 255).astype(np.uint8)
    if config.kind == "augmented copier":
        return augmented_once(train, ("flip", "shift"), 1 / 64)
    if config.kind == "noise":
        return np.random.default_rng(0).integers(0, 256, train.shape, np.uint8)
    new = _drawn(1, side, config.images)
    return np.repeat(new[:1], len(new), 0) if config.kind == "collapsed" else new


def _drawn(seed: int, side: int, count: int) -> NDArray[np.uint8]:
    """The phantom's images of other people for another seed."""
    phantom = Phantom(None, PhantomConfig(images=count, seed=seed, size=side))
    return np.stack([to_uint8(piece.pixels)[None] for piece in phantom.slices()])
