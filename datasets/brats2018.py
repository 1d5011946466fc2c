"""BraTS2018: brain MRI of 285 glioma cases in four modalities."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError, Dataset, Pair, PluginConfig, Slice, Split, setting

from .nifti import Volume, clipped, read_volume
from .raw import digests_of, existing_root, fingerprint_of, something_else
from .volumes import all_files, one_copy

Modality = Literal["t1", "t1ce", "t2", "flair"]
_FILE = re.compile(r"(Brats18_.+)_(t1|t1ce|t2|flair|seg)\.nii(\.gz)?", re.IGNORECASE)
_CASE = re.compile(r"Brats18_.+_\d+", re.IGNORECASE)
_LABELS = "seg"
_SIDE = 256
PlaneT = TypeVar("PlaneT", np.float32, np.bool_)


class Brats2018Config(PluginConfig):
    """Options of BraTS2018."""

    modality: Modality = setting(
        "flair",
        "t1, t1ce, t2 or flair",
        source="ours: the published work names none; in FLAIR the whole tumour shows, which is what a "
        "generator of pathology should make",
    )
    slices_per_case: int | None = setting(
        23,
        "equally spaced slices of each case; none for all",
        source="inferred: 285 x 23 = 6555, of which batches of 32 make the published 6528",
        ge=1,
    )
    min_brain: float = setting(
        0.10,
        "part of the 240 x 240 plane that brain must cover",
        source="ours: leaves out the caps, 88 to 105 slices remain",
        ge=0.0,
        lt=1.0,
    )
    percentile: float = setting(
        99.5,
        "percentile of the brain that becomes white",
        source="ours: as for the cardiac set",
        gt=50.0,
        le=100.0,
    )


class Brats2018(Dataset[Brats2018Config]):
    """Axial brain slices of one modality, background exactly 0, 240 padded to 256 pixels.

    Intensity is clipped to the 99.5th percentile of the brain, per case and modality. The root may be the
    official training folder with HGG and LGG, one of these, or one folder with all cases. Of each grade
    the first and then every fifth patient, in the order of their names' hashes, is for testing; one alone is
    for training.

    A pair shows the slices that the target alone would show. Its brain is where either volume is above 0;
    its tumour is everything that the case's segmentation labels, and unknown without that file.
    """

    version = 2
    Config = Brats2018Config
    modalities: ClassVar = get_args(Modality)
    # Both hemispheres look alike, and a tumour may grow in either.
    flips = ("left-right",)
    regions: ClassVar = ("brain", "tumour")
    licence = "research use with both citations"
    citation = (
        "B. H. Menze et al.: The multimodal brain tumor image segmentation benchmark (BRATS). IEEE "
        "Transactions on Medical Imaging 34(10), 1993-2024, 2015. S. Bakas et al.: Advancing The Cancer "
        "Genome Atlas glioma MRI collections with expert segmentation labels and radiomic features. "
        "Scientific Data 4:170117, 2017."
    )
    obtain = (
        "register at https://www.med.upenn.edu/sbia/brats2018/registration.html, download the training data, "
        "unpack it and name that folder: --data-root MICCAI_BraTS_2018_Data_Training"
    )
    libraries = ("nibabel",)
    published_count = (
        "6528 of one modality, not named. 285 cases x 23 slices are 6555; batches of 32 without the "
        "incomplete last one are 6528."
    )

    def items(self) -> Sequence[str]:
        """The cases."""
        return sorted(self._cases)

    def read(self, item: str) -> Iterator[Slice]:
        """The selected slices of one case, from neck to crown."""
        target, *source = volumes = [self._volume(item, modality) for modality in self._read]
        _check_alike(volumes)
        labels = self._labels(item, target)
        # Shown planes, (z, y, x): in this order voxels lie in memory.
        stacks = [volume.values().T for volume in volumes]
        brains = [stack > 0 for stack in stacks]
        whites = [
            self._white(volume.path, stack[brain])
            for volume, stack, brain in zip(volumes, stacks, brains, strict=True)
        ]
        covered = np.array([np.count_nonzero(plane) / plane.size for plane in brains[0]])
        for z in self._selected(target.path, covered):
            planes = [_padded(clipped(stack[z], white)) for stack, white in zip(stacks, whites, strict=True)]
            regions = {}
            if source:
                regions["brain"] = _padded(np.any([brain[z] for brain in brains], axis=0))
            if source and labels is not None:
                regions["tumour"] = _padded(labels[z])
            assert self.root is not None
            yield Slice(
                planes[0],
                _patient(item),
                target.path.relative_to(self.root).as_posix(),
                z,
                self._splits[_patient(item)],
                target.mode,
                raw_shape=stacks[0].shape[1:],
                counterpart=planes[1] if source else None,
                regions=regions,
            )

    def paired(self, pair: Pair) -> Self:
        """The same cases in two modalities, whichever one the options name."""
        other = super().paired(pair)
        other.config = Brats2018Config(**{**self.config.model_dump(), "modality": pair.target})
        return other

    def fingerprint(self) -> str:
        """Content of every volume that is read, and which grade it belongs to."""
        digests: dict[str, str] = {}
        for kind in (*self._read, _LABELS) if self.pair else self._read:
            # The volume of the options bears its case's name alone: fingerprints stay those of one modality.
            mark = "" if kind == self.config.modality else f" {kind}"
            names = {case: f"{self._grade(case)} {case}{mark}" for case in self._cases}
            there = {names[case]: files[kind] for case, files in self._cases.items() if kind in files}
            digests |= digests_of(there)
            digests |= {f"{case}{mark}": "none" for case in names if names[case] not in there}
        return fingerprint_of(digests)

    @property
    def _read(self) -> tuple[str, ...]:
        """The modalities to read, the target first."""
        return (self.pair.target, self.pair.source) if self.pair else (self.config.modality,)

    @cached_property
    def _cases(self) -> dict[str, dict[str, Path]]:
        """Files of each case by modality."""
        root = existing_root(self)
        found: dict[tuple[str, str], list[Path]] = {}
        for path in all_files(root) if root.is_dir() else []:
            if match := _FILE.fullmatch(path.name):
                found.setdefault((match[1], match[2].lower()), []).append(path)
        if not found:
            raise something_else(self, "Brats18_*_flair.nii.gz and the like, with or without HGG and LGG")
        cases: dict[str, dict[str, Path]] = {}
        for (case, modality), copies in found.items():
            cases.setdefault(case, {})[modality] = one_copy(copies, _CASE)
        for case, files in cases.items():
            if len(folders := {_case_folder(path, case) for path in files.values()}) > 1:
                one_copy([folder / "a" for folder in folders], _CASE)
        return cases

    @cached_property
    def _splits(self) -> dict[str, Split]:
        """Split of each patient; the first of a grade tests, so that two patients are enough for both."""
        splits: dict[str, Split] = {}
        for grade in ("HGG", "LGG", ""):
            patients = {_patient(case) for case in self._cases if self._grade(case) == grade} - set(splits)
            ranked = sorted(patients, key=lambda name: hashlib.sha256(name.encode()).digest())
            tested = ranked[::5] if len(ranked) > 1 else []
            splits |= {name: "test" if name in tested else "train" for name in ranked}
        return splits

    def _grade(self, case: str) -> str:
        """HGG or LGG by the folder above, or nothing where all cases lie together."""
        assert self.root is not None
        for path in self._cases[case].values():
            parts = {part.upper() for part in (self.root.name, *path.relative_to(self.root).parts)}
            return next((grade for grade in ("HGG", "LGG") if grade in parts), "")
        return ""

    def _volume(self, item: str, modality: str) -> Volume:
        files = self._cases[item]
        if modality not in files:
            raise DataError(
                f"{item} has no {modality} volume, only {', '.join(sorted(files))}",
                needed=f"{item}_{modality}.nii.gz",
                hint="choose another modality",
            )
        return read_volume(files[modality])

    def _labels(self, item: str, like: Volume) -> NDArray[np.bool_] | None:
        """Where a pair's case has a tumour, (z, y, x); None where there is no segmentation, or no pair."""
        if self.pair is None or _LABELS not in self._cases[item]:
            return None
        labels = read_volume(self._cases[item][_LABELS])
        _check_alike([like, labels])
        return np.asarray(labels.values().T > 0)

    def _white(self, path: Path, voxels: NDArray[np.float32]) -> float:
        if not voxels.size:
            raise DataError(f"{path} is black: no voxel is above 0", hint="get this case again")
        return float(np.percentile(voxels, self.config.percentile, overwrite_input=True))

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


def _padded(plane: NDArray[PlaneT]) -> NDArray[PlaneT]:
    """A plane in the middle of the picture, with nothing around it."""
    height, width = plane.shape
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    return np.pad(plane, ((top, _SIDE - height - top), (left, _SIDE - width - left)))


def _patient(case: str) -> str:
    """The patient of a case: the last number counts scans of the same person."""
    return re.sub(r"_\d+$", "", case)


def _case_folder(path: Path, case: str) -> Path:
    return next((folder for folder in path.parents if folder.name == case), path.parent)
