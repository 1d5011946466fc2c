"""What a medical image set is to the core."""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .settings import ConfigT, PluginConfig

Split = Literal["train", "val", "test"]
Square = Literal["crop", "pad", "stretch"]
Flip = Literal["left-right", "up-down"]
Colour = Literal["grey", "rgb", "auto"]

#: The label of a pixel of which nobody says what it shows.
UNKNOWN_LABEL = 255


class Pair(NamedTuple):
    """Two modalities of the same slices: what is given, and what is to be made of it."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"


@dataclass(frozen=True)
class Slice:
    """One two-dimensional image of a data set.

    Attributes:
        pixels: float32 (H, W), or (H, W, 3) red, green and blue, in [0, 1]; any size.
        patient: Who it shows. Splits never divide a patient.
        source: The raw file, relative to the data root.
        index: Number of the slice inside that file, from 0.
        split: The part of the data set that this patient belongs to.
        mode: How the raw file stores its pixels, such as ``RGB`` or ``int16``; for ``bench data info``.
        raw_shape: Height and width in the raw file, where ``pixels`` were cropped or padded; for the same.
        counterpart: The same slice in the source modality, of the same shape, where the data set was
            asked for pairs; ``pixels`` are then of the target modality.
        labels: uint8 (H, W), what each pixel shows: 0 for nothing, k for the k-th of the data set's
            ``label_names``, ``UNKNOWN_LABEL`` where that is not known; None where all of it is unknown.
        conversion: What was lost between the raw file and ``pixels``, such as ``colour to grey``.
    """

    pixels: NDArray[np.float32]
    patient: str
    source: str
    index: int
    split: Split
    mode: str = ""
    raw_shape: tuple[int, ...] | None = None
    counterpart: NDArray[np.float32] | None = None
    labels: NDArray[np.uint8] | None = None
    conversion: str = ""


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


class Dataset(abc.ABC, Generic[ConfigT]):
    """A medical image set, read from the files that people have.

    An item is what can be read by itself: an image file, a volume, a member of an archive. Items are
    read in parallel processes, so an instance must survive pickling and hold no open files.

    Attributes:
        version: Raise it whenever the same files give other pixels, labels, patients or splits.
        Config: Every option, declared with ``setting``.
        needs_root: Whether there must be a folder (or archive) with raw data.
        square: How slices that are not square become so: ``"crop"`` to the short side around the
            centre, ``"pad"`` to the long side with black, or ``"stretch"``.
        flips: Mirrorings after which an image still shows what a patient could look like; empty where that
            is not known. A cell that mirrors others says so in its record.
        colour: ``"grey"`` for slices (H, W); ``"rgb"`` for three channels, to which grey ones are widened;
            ``"auto"`` for three channels as soon as one slice has three.
        label_names: What the labels 1, 2, ... of its slices mean; empty for a set without a segmentation.
        modalities: What pairs can be made of; empty for a set that has no pairs.
        regions: Parts of the picture inside of which translations are also scored: each the union of some
            of ``label_names``.
        pair: The modalities to read; None for the set as its options describe it.
        licence: Terms of use, one line.
        citation: What a user must cite.
        obtain: How to get the data, one or more lines.
        published_count: Images that the published protocol names, with what is known about them.
        libraries: Distributions that decode its raw files, such as ``nibabel``: a record names the version of
            each that was installed, and always those of numpy and Pillow, which resize.
        remote: Raw files for ``bench data fetch``, if they may be had without asking.
        remote_fingerprint: ``fingerprint()`` of the complete download with default options.
    """

    version: ClassVar[int]
    Config: ClassVar[type[PluginConfig]]
    needs_root: ClassVar[bool] = True
    square: Square = "crop"
    flips: tuple[Flip, ...] = ()
    colour: Colour = "grey"
    label_names: tuple[str, ...] = ()
    modalities: ClassVar[tuple[str, ...]] = ()
    regions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    pair: Pair | None = None
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    obtain: ClassVar[str] = ""
    published_count: ClassVar[str] = ""
    libraries: ClassVar[tuple[str, ...]] = ()
    remote: ClassVar[tuple[RemoteFile, ...]] = ()
    remote_fingerprint: ClassVar[str] = ""

    def __init__(self, root: Path | None, config: ConfigT) -> None:
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
            DataError: The item is damaged; the message names the file. It may be left out on request.
            ChoiceError: The user must say or install something before it can be read.
        """

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Hexadecimal digest of the raw content: other bytes, other fingerprint; dates don't count."""

    def left_out(self) -> Mapping[str, str]:
        """Files below the root that no item reads, and why; for whoever counts their files."""
        return {}

    def notes(self) -> Sequence[str]:
        """How the raw files were understood where that is a choice, one line each, for a person to check."""
        return []

    def caveats(self) -> Sequence[str]:
        """What scores on held-out patients are not to be read without, one line each."""
        return []

    def paired(self, pair: Pair) -> Self:
        """The same data set, asked for pairs of two of its ``modalities``.

        Where ``pair`` is set, ``read`` gives slices of the target with their counterparts in the source,
        and ``fingerprint`` covers the files of both.
        """
        other = copy.copy(self)
        other.pair = pair
        return other

    def slices(self) -> Iterator[Slice]:
        """All slices of all items, in order."""
        for item in self.items():
            yield from self.read(item)
