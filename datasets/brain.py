"""Axial slices of brains with a glioma: what all sets of such volumes have in common."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError, Dataset, Pair, PluginConfig, Slice, Split, setting

from .labels import label_plane
from .nifti import Volume, as_shown, clipped
from .raw import digests_of, fingerprint_of
from .scale import percentile
from .space import Plane, centred

SEGMENTATION = "seg"
_SIDE = 256


class BrainConfig(PluginConfig):
    """Options of brain volumes; each set names its modalities."""

    modality: str = setting("flair", "one of the set's modalities", source="ours")
    slices_per_case: int | None = setting(
        23, "equally spaced slices of each case; none for all", source="ours: as for BraTS2018", ge=1
    )
    min_brain: float = setting(
        0.10,
        "part of the plane, 240 x 240 if axial, that brain must cover",
        source="ours: leaves out the caps, 88 to 105 slices remain",
        ge=0.0,
        lt=1.0,
    )
    plane: Plane = setting(
        "axial",
        "axial, coronal or sagittal",
        source="inferred: the published 240 x 240 pixels are axial",
    )
    percentile: float = setting(
        99.5,
        "percentile of the brain that becomes white",
        source="ours: as for the cardiac set",
        gt=50.0,
        le=100.0,
    )


class BrainSlices(Dataset[BrainConfig]):
    """Brain slices of one modality, background exactly 0, in the middle of 256 x 256 pixels of 1 mm.

    Intensity is clipped to the 99.5th percentile of the brain, per case and modality. The label ``brain`` is
    where the volume is above 0, the others are the parts of the tumour; a case without a segmentation has
    none of them. The first and then every fifth patient, in the order of their names' hashes, is for testing,
    of each grade by itself where folders tell it; one alone is for training.

    A pair shows the slices that the target alone would show; its brain is where either volume is above 0.

    Attributes:
        values: Which label of the files each part of the tumour has.
    """

    libraries = ("nibabel",)
    # Both hemispheres look alike, and a tumour may grow in either.
    flips = ("left-right",)
    label_names = ("brain", "necrosis", "oedema", "enhancing")
    regions: ClassVar = {"brain": label_names, "tumour": label_names[1:]}
    values: ClassVar[Mapping[str, int]]

    @property
    @abc.abstractmethod
    def _cases(self) -> Mapping[str, Mapping[str, Path]]:
        """Files of each case by what they hold: modalities, and ``seg`` for the segmentation."""

    @abc.abstractmethod
    def _volume(self, item: str, kind: str) -> Volume:
        """One modality, or the segmentation, with its axes as LPS.

        Raises:
            DataError: The case has none, or it is damaged.
        """

    def _patient(self, case: str) -> str:
        """Who a case is of."""
        return case

    def _stratum(self, case: str) -> str:
        """Cases of one stratum are split by themselves."""
        return ""

    def items(self) -> Sequence[str]:
        """The cases."""
        return sorted(self._cases)

    def read(self, item: str) -> Iterator[Slice]:
        """The selected slices of one case, from neck to crown, front to back, or right to left."""
        target, *others = volumes = [self._turned(item, modality) for modality in self._read]
        is_segmented = SEGMENTATION in self._cases[item]
        tumour = self._turned(item, SEGMENTATION) if is_segmented else None
        _check_alike([*volumes, tumour] if tumour else volumes)
        brains = [volume.above_zero() for volume in volumes]
        whites = [
            self._white(volume.path, volume.inside(brain))
            for volume, brain in zip(volumes, brains, strict=True)
        ]
        # Shown planes, (z, y, x): in this order voxels lie in memory.
        covered = np.array([np.count_nonzero(plane) / plane.size for plane in brains[0].T])
        for z in self._selected(target.path, covered):
            shown = [as_shown(volume.values(slice(None), slice(None), z)) for volume in volumes]
            planes = [
                centred(clipped(plane, white), (_SIDE, _SIDE))
                for plane, white in zip(shown, whites, strict=True)
            ]
            labels = np.any([brain.T[z] for brain in brains], axis=0).astype(np.uint8)
            if tumour is not None:
                parts = label_plane(tumour, z, self._numbers)
                labels = np.where(parts > 0, parts, labels)
            assert self.root is not None
            yield Slice(
                planes[0],
                self._patient(item),
                target.path.relative_to(self.root).as_posix(),
                z,
                self._splits[self._patient(item)],
                target.mode,
                raw_shape=shown[0].shape,
                counterpart=planes[1] if others else None,
                labels=centred(labels, (_SIDE, _SIDE)),
            )

    def paired(self, pair: Pair) -> Self:
        """The same cases in two modalities, whichever one the options name."""
        other = super().paired(pair)
        other.config = type(self.config)(**{**self.config.model_dump(), "modality": pair.target})
        return other

    def fingerprint(self) -> str:
        """Content of every file that is read, and which stratum its case belongs to."""
        digests: dict[str, str] = {}
        for kind in (*self._read, SEGMENTATION):
            # The volume of the options bears its case's name alone: fingerprints stay those of one modality.
            mark = "" if kind == self.config.modality else f" {kind}"
            names = {case: f"{self._stratum(case)} {case}{mark}" for case in self._cases}
            there = {names[case]: files[kind] for case, files in self._cases.items() if kind in files}
            digests |= digests_of(there)
            if kind != SEGMENTATION:
                digests |= {f"{case}{mark}": "none" for case in names if names[case] not in there}
        return fingerprint_of(digests)

    @property
    def _read(self) -> tuple[str, ...]:
        """The modalities to read, the target first."""
        return (self.pair.target, self.pair.source) if self.pair else (self.config.modality,)

    @property
    def _numbers(self) -> dict[int, int]:
        """The number of each label of the files among ``label_names``."""
        return {value: self.label_names.index(part) + 1 for part, value in self.values.items()}

    @cached_property
    def _splits(self) -> dict[str, Split]:
        """Split of each patient; the first of a stratum tests, so that two patients are enough for both."""
        splits: dict[str, Split] = {}
        # Those of a named stratum first: a patient of two is split once.
        strata = sorted({self._stratum(case) for case in self._cases}, key=lambda name: (not name, name))
        for stratum in strata:
            own = {self._patient(case) for case in self._cases if self._stratum(case) == stratum} - set(
                splits
            )
            ranked = sorted(own, key=lambda name: hashlib.sha256(name.encode()).digest())
            tested = ranked[::5] if len(ranked) > 1 else []
            splits |= {name: "test" if name in tested else "train" for name in ranked}
        return splits

    def _turned(self, item: str, kind: str) -> Volume:
        """A volume whose planes lie along its last axis; what is above, or in front, is shown above."""
        volume = self._volume(item, kind)
        if self.config.plane == "axial":
            return volume
        order = (0, 2, 1) if self.config.plane == "coronal" else (1, 2, 0)
        stored = volume.stored.transpose(order)[:, ::-1]
        return replace(volume, stored=stored, zooms=tuple(volume.zooms[axis] for axis in order), affine=None)

    def _white(self, path: Path, voxels: NDArray[np.float32]) -> float:
        if not voxels.size:
            raise DataError(f"{path} is black: no voxel is above 0", hint="get this case again")
        return percentile(voxels, self.config.percentile)

    def _selected(self, path: Path, covered: NDArray[np.float64]) -> list[int]:
        """Numbers of the slices to keep, given which part of each is brain."""
        enough = np.flatnonzero((covered > 0) & (covered >= self.config.min_brain))
        if not enough.size:
            raise DataError(
                f"{path} has no slice of which brain covers {self.config.min_brain:.0%}",
                needed="a slice that shows enough brain",
                hint="choose a smaller min_brain",
            )
        count = min(self.config.slices_per_case or enough.size, enough.size)
        chosen: list[int] = enough[np.rint(np.linspace(0, enough.size - 1, count)).astype(int)].tolist()
        return chosen


def _check_alike(volumes: Sequence[Volume]) -> None:
    """Refuse volumes of one case that differ in shape, or are larger than the picture.

    Raises:
        DataError: The message names the file.
    """
    first = volumes[0]
    for volume in volumes:
        if volume.stored.shape != first.stored.shape or max(volume.stored.shape[:2]) > _SIDE:
            raise DataError(
                f"{volume.path} has the shape {volume.stored.shape}",
                needed=f"{first.stored.shape}, as {first.path.name}, and at most {_SIDE} pixels a side",
                hint="get this case again",
            )
