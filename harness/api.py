"""The contract of a plugin, and all of the core that a plugin imports.

Images between the parts are of one kind: uint8 NCHW (0 to 255) where they are stored, float32 NCHW in
[-1, 1] inside a model. ``docs/plugins.md`` builds a small plugin with this page.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from .errors import BenchError, DataError, ScoreError, SpecError, WeightsError

__all__ = [
    "Batch",
    "BenchError",
    "Clock",
    "DataError",
    "Dataset",
    "FeatureSpace",
    "Goal",
    "ImageShape",
    "Metric",
    "Model",
    "PluginConfig",
    "Population",
    "RemoteFile",
    "ScoreError",
    "Slice",
    "SpecError",
    "Split",
    "Square",
    "Synthesizer",
    "WeightsError",
    "WeightsFile",
    "WeightsLocator",
    "setting",
]

Split = Literal["train", "val", "test"]
Goal = Literal["lower", "higher"]
Square = Literal["crop", "pad", "stretch"]


class PluginConfig(BaseModel):
    """Base of every plugin's ``Config``: frozen, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(default: Any, description: str, *, unit: str = "", source: str = "", **limits: Any) -> Any:
    """Declare one documented hyper-parameter of a ``Config``.

    Args:
        default: The value that is used when the user says nothing.
        description: One line for ``bench show``.
        unit: Unit of the value, where it has one.
        source: Where the default comes from: ``published: ...``, ``reference: ...`` (a public
            implementation), ``inferred: ...`` or ``ours: ...``.
        **limits: pydantic's constraints: ``gt``, ``ge``, ``lt``, ``le``, ``min_length``, ...
    """
    return Field(
        default, description=description, json_schema_extra={"unit": unit, "source": source}, **limits
    )


@dataclass(frozen=True)
class ImageShape:
    """Shape of one image. Published parameter counts are for 3 channels (grey, replicated)."""

    channels: int
    height: int
    width: int


class Batch(NamedTuple):
    """What one training step sees.

    Attributes:
        images: float32 (n, C, H, W) in [-1, 1], on the model's device.
        source: The other modality of a paired task, same shape; else None.
    """

    images: Tensor
    source: Tensor | None = None


@dataclass(frozen=True)
class Clock:
    """Where training stands.

    Attributes:
        step: Steps taken before this one, over all epochs.
        epoch: Epochs completed before this one.
        epochs: Length of the whole training, in epochs.
    """

    step: int
    epoch: int
    epochs: int


class Model(torch.nn.Module, abc.ABC):
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
        augmentations: Plain augmentations that the core applies to real images before
            ``train_step``, among ``"flip"`` (left-right) and ``"shift"`` (translation).
        ablation: Published ablation rows, in order: name of the row to overrides of the default config;
            ``bench ablate``.
        caveats: What a reader of any score of this model must know, such as a leak of training data.
    """

    version: ClassVar[int]
    Config: ClassVar[type[PluginConfig]]
    resolutions: ClassVar[tuple[int, ...] | None] = None
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ablation: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    augmentations: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    def __init__(self, shape: ImageShape, config: PluginConfig) -> None:
        super().__init__()
        self.shape = shape

    @abc.abstractmethod
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """The named networks whose parameters and operations are counted, e.g. generator, discriminator."""

    def example_inputs(self, count: int) -> Mapping[str, tuple[Tensor, ...]]:
        """What to call each of ``networks()`` with, to count the operations on ``count`` images.

        By default one batch of images for each; networks that read something else must say so here.
        """
        images = torch.zeros(count, self.shape.channels, self.shape.height, self.shape.width)
        return {name: (images,) for name in self.networks()}

    def explain(self, images: Tensor) -> Mapping[str, Tensor]:
        """Pictures of what the model does with real images, for ``bench figure``; none by default.

        Args:
            images: float32 (n, C, H, W) in [-1, 1], real.

        Returns:
            By title, in order: images (n, C, H, W) in [-1, 1], maps (n, 1, h, w) from 0 on of any scale,
            or numbers (n,).
        """
        return {}

    @abc.abstractmethod
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The named optimisers: the same objects at every call."""

    @abc.abstractmethod
    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        """Take one optimisation step.

        Returns:
            Named losses as detached scalar tensors. No ``.item()``: it would wait for the device.
        """


class Synthesizer(Model):
    """A model that makes images from nothing but random numbers."""

    @abc.abstractmethod
    def sample(self, seeds: Tensor) -> Tensor:
        """Make one image for each seed.

        Image i depends on ``seeds[i]`` alone: neither on the batch nor on earlier calls. The core calls
        it in ``eval()`` mode without gradients.

        Args:
            seeds: int64 (n,), on any device.

        Returns:
            float32 (n, C, H, W) in [-1, 1], on the model's device.
        """


@dataclass(frozen=True)
class Slice:
    """One two-dimensional image of a data set.

    Attributes:
        pixels: float32 (H, W) in [0, 1]; any size.
        patient: Who it shows. Splits never divide a patient.
        source: The raw file, relative to the data root.
        index: Number of the slice inside that file, from 0.
        split: The part of the data set that this patient belongs to.
        mode: How the raw file stores its pixels, such as ``RGB`` or ``int16``; for ``bench data info``.
    """

    pixels: NDArray[np.float32]
    patient: str
    source: str
    index: int
    split: Split
    mode: str = ""


@dataclass(frozen=True)
class RemoteFile:
    """A raw file that its owners let everybody download.

    Attributes:
        url: Where it is.
        path: Where it belongs, relative to the data root.
        sha256: Digest of its bytes, where that is known and constant.
        unpack: Whether it is a zip archive that is to be unpacked beside itself.
    """

    url: str
    path: str
    sha256: str = ""
    unpack: bool = False


class Dataset(abc.ABC):
    """A medical image set, read from the files that people have.

    An item is what can be read by itself: an image file, a volume, a member of an archive. Items are
    read in parallel processes, so an instance must survive pickling and hold no open files.

    Attributes:
        version: Raise it whenever the same files give other pixels, patients or splits.
        Config: Every option, declared with ``setting``.
        needs_root: Whether there must be a folder (or archive) with raw data.
        square: How slices that are not square become so: ``"crop"`` to the short side around the
            centre, ``"pad"`` to the long side with black, or ``"stretch"``.
        licence: Terms of use, one line.
        citation: What a user must cite.
        obtain: How to get the data, one or more lines.
        published_count: Images that the published protocol names, with what is known about them.
        remote: Raw files for ``bench data fetch``, if they may be had without asking.
        remote_fingerprint: ``fingerprint()`` of the complete download with default options.
    """

    version: ClassVar[int]
    Config: ClassVar[type[PluginConfig]]
    needs_root: ClassVar[bool] = True
    square: Square = "crop"
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    obtain: ClassVar[str] = ""
    published_count: ClassVar[str] = ""
    remote: ClassVar[tuple[RemoteFile, ...]] = ()
    remote_fingerprint: ClassVar[str] = ""

    def __init__(self, root: Path | None, config: PluginConfig) -> None:
        self.root = root
        self.config = config

    @abc.abstractmethod
    def items(self) -> Sequence[str]:
        """Names of all items, in a fixed order, without reading pixels.

        Raises:
            DataError: The root is missing, empty, or holds something else.
        """

    @abc.abstractmethod
    def read(self, item: str) -> Iterator[Slice]:
        """Read one item's slices.

        Raises:
            DataError: The item is damaged; the message names the file.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Hexadecimal digest of the raw content: other bytes, other fingerprint; dates don't count."""

    def slices(self) -> Iterator[Slice]:
        """All slices of all items, in order."""
        for item in self.items():
            yield from self.read(item)


class Population(NamedTuple):
    """Images, or their features, as one side of a comparison.

    Attributes:
        values: uint8 (N, C, H, W) images, or float64 (N, d) features.
        patients: (N,) patient ids of real images; None for generated ones.
    """

    values: NDArray[Any]
    patients: NDArray[np.str_] | None = None


class Metric(abc.ABC):
    """A pure function of real and generated images, or of their features.

    It is made with the options of its registration: ``MyMetric(**options)``.

    Attributes:
        version: Raise it whenever the same input gives another number.
        needs: ``"images"``, or the name of a registered feature space.
        minimum: Fewest images on either side that it can be computed on.
        recommended: Fewest images on either side above which it says more about the images than about
            their number; below, whoever prints it says so.
        goals: Whether lower or higher is better, for each score that a model is judged by. ``compute``
            always returns these, and may add numbers that help to read them, such as a spread.
    """

    version: ClassVar[int]
    needs: str = "images"
    minimum: int = 2
    recommended: int = 0
    goals: Mapping[str, Goal]

    @abc.abstractmethod
    def compute(
        self, train: Population, held_out: Population | None, generated: Population
    ) -> dict[str, float]:
        """Score the generated images.

        Args:
            train: The real images that the model was trained on.
            held_out: Real images of patients that it never saw, where the protocol keeps some apart.
            generated: What the model sampled.

        Raises:
            ScoreError: Too few images, or images that can't be compared.
        """

    def context(
        self, train: Population, held_out: Population | None, generated: Population
    ) -> dict[str, float]:
        """Numbers that say how far to trust the scores: a floor, an interval. Nobody is judged by them.

        Called once for a final sample, so it may take many times as long as ``compute``.
        """
        return {}


@dataclass(frozen=True)
class WeightsFile:
    """A file of published weights.

    Attributes:
        name: The file name that it is published under.
        sha256: Its digest, or as many leading digits as its publisher states; empty when none are.
        url: Where anybody can download it; empty when nobody can without signing something.
    """

    name: str
    sha256: str = ""
    url: str = ""


class WeightsLocator(Protocol):
    """Finds files of weights on this machine, or brings them to it."""

    def find(self, file: WeightsFile) -> Path:
        """The path of ``file``, its digest verified.

        Raises:
            WeightsError: It can't be had, or is not what it claims; the message says what to type.
        """
        ...


class FeatureSpace(abc.ABC):
    """A fixed map from images to vectors, in which populations are compared.

    It is made with the options of its registration: ``MySpace(weights, **options)``. Making one is cheap;
    files are only touched by ``check``, ``identity`` and ``extract``.

    Attributes:
        version: Raise it whenever the same images give other features.
        dimension: Length of one feature vector.
    """

    version: ClassVar[int]
    dimension: int

    def __init__(self, weights: WeightsLocator) -> None:
        self.weights = weights

    @abc.abstractmethod
    def check(self) -> None:
        """Make sure that the weights are at hand, before anybody trains for days.

        Raises:
            WeightsError: They are not; the message says what to type.
        """

    @abc.abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What names these features in a record: network, sha256 of the weights, resize."""

    @abc.abstractmethod
    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images with C of 1 or 3, as float64 (N, dimension)."""
