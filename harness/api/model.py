"""What a generative model is to the core."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple

import torch
from torch import Tensor

from .features import WeightsFile
from .settings import ConfigT, PluginConfig

AUGMENTATIONS = ("flip", "shift")
"""Plain augmentations that the core applies to real images: left-right, and translation."""


@dataclass(frozen=True)
class ImageShape:
    """Shape of one image. Published parameter counts are for 3 channels (grey, replicated).

    Attributes:
        channels: All of them.
        labels: How many of these, the last ones, are a label map: one-hot in [-1, 1], nothing first. What
            moves an image moves them too; what changes its colours leaves them alone.
    """

    channels: int
    height: int
    width: int
    labels: int = 0


class Batch(NamedTuple):
    """What one training step sees.

    Attributes:
        images: float32 (n, C, H, W) in [-1, 1], on the model's device; of labelled images with their maps
            as the last channels (``ImageShape.labels``).
        source: The other modality of a paired task, same shape; else None.
    """

    images: Tensor
    source: Tensor | None = None


@dataclass(frozen=True)
class Clock:
    """Where training stands, always: for a model about to take a step as for an observer behind one.

    Attributes:
        step: Steps taken so far, over all epochs.
        epoch: Epochs completed so far.
        epochs: Length of the whole training, in epochs.
    """

    step: int
    epoch: int
    epochs: int


class Model(torch.nn.Module, abc.ABC, Generic[ConfigT]):
    """A generative model and how it is trained.

    The core moves it to a device, switches between ``train()`` and ``eval()``, and saves
    ``state_dict()`` and the optimisers' states; whatever training needs to go on must live there
    (parameters or persistent buffers). Random numbers come from torch's global generators, which the
    core seeds and saves.

    Attributes:
        version: Raise it whenever the same config gives other numbers: older records become stale.
        Config: Every hyper-parameter, declared with ``setting``.
        resolutions: Image sides that the networks can make; None for any.
        presets: Named sets of overrides, ``{"reference": {"lr": 2e-4}}``; ``bench run --preset``.
            One of the core's names, such as ``smoke``, adds to the core's.
        presets_from: What a preset changes from an image side on, where its original has other settings for
            large images: ``{"reference": {256: {"lr": 2e-5}}}``.
        augmentations: Those of ``AUGMENTATIONS`` that the core applies to real images before ``train_step``.
            A setting called ``augment`` says which; other names in it are the model's own affair.
        config: Its settings, as given.
        registered_name: What errors call it. The core sets it; until then it is the name of the class.
        ablation: Published ablation rows, in order: name of the row to overrides of the default config;
            ``bench ablate``.
    """

    version: ClassVar[int]
    Config: ClassVar[type[PluginConfig]]
    resolutions: ClassVar[tuple[int, ...] | None] = None
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    presets_from: ClassVar[Mapping[str, Mapping[int, Mapping[str, Any]]]] = {}
    ablation: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    augmentations: tuple[str, ...] = ()

    def __init__(self, shape: ImageShape, config: ConfigT) -> None:
        super().__init__()
        self.shape = shape
        self.config = config
        self.registered_name = type(self).__name__
        if (chosen := getattr(config, "augment", None)) is not None:
            self.augmentations = tuple(name for name in chosen if name in AUGMENTATIONS)

    @abc.abstractmethod
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """The named networks whose parameters and operations are counted, e.g. generator, discriminator."""

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """What to call each of ``networks()`` with, to count the operations on ``count`` images.

        By default one batch of images for each; networks that read something else must say so here.
        """
        images = torch.zeros(count, self.shape.channels, self.shape.height, self.shape.width)
        return {name: (images,) for name in self.networks()}

    @classmethod
    def needed_weights(cls, config: Any) -> Sequence[WeightsFile]:
        """Published files that training with these settings needs; none by default."""
        return ()

    def use_weights(self, files: Mapping[str, Path]) -> None:
        """Read the files that ``needed_weights`` names; called once before training, on the model's device.

        Args:
            files: Their paths by their names, digests verified.

        Raises:
            WeightsError: A file holds something else.
        """

    def explain(self, batch: Batch) -> Mapping[str, Tensor]:
        """Pictures of what the model does with real images, for ``bench figure``; none by default.

        Args:
            batch: Real images; for a translator held-out ones, with their source.

        Returns:
            By title, in order: images (n, C, H, W) in [-1, 1], maps (n, 1, h, w) from 0 on of any scale,
            or numbers (n,).
        """
        return {}

    def caveats(self, clock: Clock) -> tuple[str, ...]:
        """What a reader of any score of this model must know, such as a leak of training data.

        Args:
            clock: Its last step.
        """
        return ()

    @abc.abstractmethod
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The named optimisers: the same objects at every call."""

    @abc.abstractmethod
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """Take one optimisation step.

        Returns:
            Named losses, at least one, as detached scalar tensors. No ``.item()``: it would wait for the
            device.
        """


class Synthesizer(Model[ConfigT]):
    """A model that makes images from noise."""

    @abc.abstractmethod
    def sample(self, seeds: Tensor) -> Tensor:
        """Make one image for each seed.

        Image i depends on ``seeds[i]`` alone: neither on the batch nor on earlier calls. The core calls
        it in ``eval()`` mode without gradients, and refuses images of another shape, dtype or range.

        Args:
            seeds: int64 (n,), on any device.

        Returns:
            float32 (n, C, H, W) in [-1, 1], on the model's device.
        """

    def preview(self, seeds: Tensor) -> Tensor:
        """Make images for an evaluation during training, where ``sample`` would take too long.

        By default it is ``sample``. A model that overrides it is chosen by previews; the scores of its
        record are of ``sample``.
        """
        return self.sample(seeds)


class Translator(Model[ConfigT]):
    """A model that makes an image of one modality from the same slice in another."""

    @abc.abstractmethod
    def translate(self, source: Tensor) -> Tensor:
        """Make one image for each source.

        Image i depends on ``source[i]`` alone: neither on the batch nor on earlier calls. The core calls
        it in ``eval()`` mode without gradients, and refuses images of another shape, dtype or range.

        Args:
            source: float32 (n, C, H, W) in [-1, 1], on the model's device.

        Returns:
            float32 (n, C, H, W) in [-1, 1], on the same device.
        """

    def preview(self, source: Tensor) -> Tensor:
        """Translate for an evaluation during training, where ``translate`` would take too long.

        By default it is ``translate``. A model that overrides it is chosen by previews; the scores of its
        record are of ``translate``.
        """
        return self.translate(source)
