"""ACDC: short-axis cardiac cine MRI of 150 patients, at end diastole and end systole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.api import DataError, Dataset, PluginConfig, Slice, Split, Square, setting

from .acdc_files import Files, patients_of, phases_of
from .labels import label_plane
from .nifti import Volume, as_shown, clipped, read_volume
from .raw import contents, digests_of, existing_root, fingerprint_of, something_else
from .scale import percentile
from .space import centred
from .volumes import all_files

#: Official numbers of the patients; the published work uses those for training.
_PARTS = {"training": range(1, 101), "testing": range(101, 151), "all": range(1, 151)}
_LABELS = {1: 1, 2: 2, 3: 3}


class ACDCConfig(PluginConfig):
    """Options of ACDC."""

    part: Literal["training", "testing", "all"] = setting(
        "training",
        "patients: training (1 to 100), testing (101 to 150, the official test set), or all, where the "
        "official test set is held out",
        source="inferred: the published count is nearest to the training patients'",
    )
    frames: Literal["both", "ed", "es", "all"] = setting(
        "both",
        "frames of the heart cycle: ed, es, both, or all of the 4D files",
        source="inferred: the labelled frames are what nearly everybody means by ACDC",
    )
    labelled_only: bool = setting(False, "only slices in which anything is labelled", source="ours: keep all")
    field_of_view: float | None = setting(
        None,
        "side of a centred square with the same size in every patient; none for the short side of the image",
        unit="mm",
        source="ours: the published work names none",
        gt=0.0,
    )
    percentile: float = setting(
        99.5,
        "percentile of a volume that becomes white",
        source="ours: the maximum reaches 11.6 times the 99th percentile, and would leave the heart black",
        gt=50.0,
        le=100.0,
    )


class ACDC(Dataset[ACDCConfig]):
    """Cardiac MR slices; those of ED and ES have labels. Each volume is clipped to [0, 99.5th percentile].

    The root may be the official download or any folder in it, the nnU-Net layout (``imagesTr``), or one
    folder with all files. ED and ES come from ``Info.cfg``, whose frames count from 1; nnU-Net folders
    have none, there the earlier of two frames is ED, as it is in every patient of the training set.
    Of the training patients by themselves those whose number is a multiple of 5 are for testing, as in common
    use; beside the official test patients they are for validation.
    """

    version = 2
    Config = ACDCConfig
    # In the mirror the right ventricle is where the left one belongs.
    flips = ()
    label_names = ("rv", "myocardium", "lv")
    licence = "research use, non-commercial, with the citation (MANDATORY_CITATION.md)"
    citation = (
        "O. Bernard et al.: Deep learning techniques for automatic MRI cardiac multi-structures segmentation "
        "and diagnosis: is the problem solved? IEEE Transactions on Medical Imaging 37(11), 2514-2525, 2018."
    )
    obtain = (
        "register at https://humanheart-project.creatis.insa-lyon.fr/database, download the ACDC database, "
        "unpack it and name that folder: --data-root ACDC"
    )
    libraries = ("nibabel",)
    published_count = (
        "1798. The training patients give 1902 slices of ED and ES, 1841 of them labelled; no rule is known "
        "that gives 1798."
    )

    def __init__(self, root: Path | None, config: ACDCConfig) -> None:
        super().__init__(root, config)
        # A field of view in mm may be another number of pixels along each axis.
        self.square: Square = "stretch" if config.field_of_view else "crop"

    def items(self) -> Sequence[str]:
        """The patients of the chosen part."""
        return sorted(self._patients)

    def read(self, item: str) -> Iterator[Slice]:
        """Slices of one patient, from base to apex as stored, ED before ES."""
        files = self._patients[item]
        if self.config.frames == "all":
            yield from self._cine_slices(item, files)
            return
        ed, es = phases_of(item, files)
        wanted = {"ed": [ed], "es": [es], "both": [ed, es]}[self.config.frames]
        for frame in wanted:
            if frame not in files.frames:
                raise DataError(
                    f"{item} has no image of frame {frame:02d}, which Info.cfg names",
                    needed=f"{item}_frame{frame:02d}.nii.gz",
                    hint=self.obtain,
                )
            volume = read_volume(files.frames[frame])
            labels = self._labels(frame, files, volume.stored.shape)
            if labels is None and self.config.labelled_only:
                raise DataError(
                    f"{item} has no labels of frame {frame:02d}",
                    needed=f"{item}_frame{frame:02d}_gt.nii.gz",
                    hint="leave out labelled_only",
                )
            yield from self._planes(item, volume, volume.values(), labels, 0)

    def fingerprint(self) -> str:
        """Content of every file that these options read."""
        named: dict[str, Path] = {}
        for patient, files in self._patients.items():
            if self.config.frames != "all":
                named |= {f"{patient} frame {frame}": path for frame, path in files.frames.items()}
            elif files.cine is not None:
                named[f"{patient} cine"] = files.cine
            named |= {f"{patient} label {frame}": path for frame, path in files.labels.items()}
            if files.info is not None:
                named[f"{patient} info"] = files.info
        return fingerprint_of(digests_of(named))

    @cached_property
    def _patients(self) -> dict[str, Files]:
        root = existing_root(self)
        paths = all_files(root) if root.is_dir() else []
        patients = patients_of(paths)
        if not patients:
            if any(path.suffix in (".h5", ".hdf5") for path in paths):
                raise something_else(self, "the official NIfTI files; HDF5 copies are not read")
            raise something_else(self, "patientNNN_frameNN.nii.gz files of ACDC")
        numbers = _PARTS[self.config.part]
        chosen = {name: files for name, files in patients.items() if int(name[7:]) in numbers}
        parts = ("training", "testing") if self.config.part == "all" else (self.config.part,)
        for part in parts:
            if not any(int(name[7:]) in _PARTS[part] for name in chosen):
                raise self._without(root, part, patients)
        return chosen

    def _without(self, root: Path, part: str, patients: Mapping[str, Files]) -> DataError:
        """The error for a root in which nobody of a part is."""
        there = [
            name for name in ("training", "testing") if any(int(p[7:]) in _PARTS[name] for p in patients)
        ]
        return DataError(
            f"{root} holds {contents(root)}",
            needed=f"patients {_PARTS[part][0]:03d} to {_PARTS[part][-1]:03d}, the {part} set of ACDC",
            hint=f"--set dataset.part={there[0]}" if there else self.obtain,
        )

    def _labels(self, frame: int, files: Files, shape: tuple[int, ...]) -> Volume | None:
        """The segmentation of a frame, where there is one."""
        if frame not in files.labels:
            return None
        labels = read_volume(files.labels[frame])
        if labels.stored.shape != shape:
            raise DataError(
                f"{labels.path} has the shape {labels.stored.shape}",
                needed=f"{shape}, as its image",
                hint=self.obtain,
            )
        return labels

    def _cine_slices(self, item: str, files: Files) -> Iterator[Slice]:
        if files.cine is None:
            raise DataError(f"{item} has no 4D file", needed=f"{item}_4d.nii.gz", hint="choose frames=both")
        volume = read_volume(files.cine, dimensions=4)
        depth, times = volume.stored.shape[2:]
        for t in range(times):
            values = volume.values(slice(None), slice(None), slice(None), t)
            # Frames count from 1; those of ED and ES have labels.
            labels = self._labels(t + 1, files, volume.stored.shape[:3])
            yield from self._planes(item, volume, values, labels, t * depth)

    def _planes(
        self,
        item: str,
        volume: Volume,
        values: NDArray[np.float32],
        labels: Volume | None,
        first: int,
    ) -> Iterator[Slice]:
        """The slices of one frame, numbered from ``first`` on."""
        white = self._white(volume.path, values)
        for z in range(values.shape[2]):
            shown = None if labels is None else label_plane(labels, z, _LABELS)
            if self.config.labelled_only and (shown is None or not shown.any()):
                continue
            yield self._slice(item, volume, clipped(values[:, :, z], white), first + z, shown)

    def _white(self, path: Path, values: NDArray[np.float32]) -> float:
        white = percentile(values.flatten(), self.config.percentile)
        if white <= 0:
            raise DataError(f"{path} is black: its {self.config.percentile}th percentile is {white:g}")
        return white

    def _split(self, item: str) -> Split:
        if int(item[7:]) in _PARTS["testing"]:
            return "test"
        if int(item[7:]) % 5:
            return "train"
        return "val" if self.config.part == "all" else "test"

    def _slice(
        self,
        item: str,
        volume: Volume,
        plane: NDArray[np.float32],
        index: int,
        labels: NDArray[np.uint8] | None,
    ) -> Slice:
        pixels, path, zooms = as_shown(plane), volume.path, volume.zooms
        raw_shape = pixels.shape
        if self.config.field_of_view:
            # Rows are the file's second axis: a shown plane is transposed.
            for zoom in zooms[:2]:
                if not 0.05 < zoom < 50.0:
                    raise DataError(f"{path} has pixels of {zoom:g} mm", hint="leave out field_of_view")
            height, width = (max(1, round(self.config.field_of_view / zooms[axis])) for axis in (1, 0))
            pixels = centred(pixels, (height, width))
            labels = None if labels is None else centred(labels, (height, width))
        assert self.root is not None
        source = path.relative_to(self.root).as_posix()
        return Slice(pixels, item, source, index, self._split(item), volume.mode, raw_shape, labels=labels)
