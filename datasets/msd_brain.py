"""Task01_BrainTumour of the Medical Segmentation Decathlon: brain MRI, a case in one file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import nibabel

from harness.api import DataError, setting

from .brain import SEGMENTATION, BrainConfig, BrainSlices
from .brats import another_set
from .nifti import Volume, read_volume
from .raw import contents, existing_root, something_else
from .volumes import all_files, one_copy

#: In the order of the files' fourth axis, which ``dataset.json`` tells.
Modality = Literal["flair", "t1", "t1gd", "t2"]
_FILE = re.compile(r"(BRATS_\d{3})\.nii(\.gz)?")
_IMAGES, _LABELS = "imagesTr", "labelsTr"
_orientations: Any = nibabel.orientations  # untyped


class MSDBrainConfig(BrainConfig):
    """Options of the Decathlon's brain tumours."""

    modality: Modality = setting("flair", "flair, t1, t1gd or t2", source="ours: as for BraTS")


class MSDBrain(BrainSlices):
    """484 cases for training; ``imagesTs`` has no labels and is not read.

    The cases are of BraTS 2016 and 2017: whoever trains on one set must not test on the other. Axes are
    turned as the header says.
    """

    version = 1
    Config = MSDBrainConfig
    modalities: ClassVar = get_args(Modality)
    values: ClassVar[Mapping[str, int]] = {"oedema": 1, "necrosis": 2, "enhancing": 3}
    licence = "CC BY-SA 4.0"
    citation = (
        "M. Antonelli et al.: The Medical Segmentation Decathlon. Nature Communications 13:4128, 2022. "
        "A. L. Simpson et al.: A large annotated medical image dataset for the development and evaluation of "
        "segmentation algorithms. arXiv 1902.09063, 2019."
    )
    obtain = (
        "download Task01_BrainTumour.tar from http://medicaldecathlon.com, unpack it and name that folder: "
        "--data-root Task01_BrainTumour"
    )
    published_count = "not in the published work: 484 training cases"

    @cached_property
    def _cases(self) -> dict[str, dict[str, Path]]:
        root = existing_root(self)
        found: dict[tuple[str, str], list[Path]] = {}
        for path in all_files(root) if root.is_dir() else []:
            match = _FILE.fullmatch(path.name)
            if match and path.parent.name in (_IMAGES, _LABELS):
                found.setdefault((match[1], path.parent.name), []).append(path)
        cases: dict[str, dict[str, Path]] = {}
        for (case, folder), copies in sorted(found.items()):
            path = one_copy(copies, _TASK)
            if folder == _IMAGES:
                cases[case] = dict.fromkeys(self.modalities, path)
            elif case in cases:
                cases[case][SEGMENTATION] = path
        if not cases:
            needed = f"{_IMAGES}/BRATS_001.nii.gz and the like"
            kind = another_set(root, "msd-brain")
            if kind is None or kind.adapter is None:
                raise something_else(self, needed)
            hint = f"--dataset {kind.adapter}"
            raise DataError(f"{root} holds {contents(root)}: {kind.title}", needed=needed, hint=hint)
        return cases

    def _volume(self, item: str, kind: str) -> Volume:
        path = self._cases[item][kind]
        if kind == SEGMENTATION:
            return _turned(read_volume(path))
        volume = read_volume(path, dimensions=4)
        if volume.stored.shape[3] != len(self.modalities):
            raise DataError(
                f"{path} has {volume.stored.shape[3]} volumes",
                needed=f"{len(self.modalities)}: {', '.join(self.modalities)}",
                hint="get the task's archive again",
            )
        one = volume.stored[..., self.modalities.index(kind)]
        return _turned(replace(volume, stored=one, zooms=volume.zooms[:3]))


_TASK = re.compile("Task01_BrainTumour")


def _turned(volume: Volume) -> Volume:
    """A volume with its axes as LPS, if its header tells how they lie."""
    if volume.affine is None:
        return volume
    stored = _orientations.io_orientation(volume.affine)
    turn = _orientations.ornt_transform(stored, _orientations.axcodes2ornt("LPS"))
    return replace(volume, stored=_orientations.apply_orientation(volume.stored, turn))
