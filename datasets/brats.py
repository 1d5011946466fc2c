"""BraTS: brain MRI of glioma patients in four modalities, in the editions that people have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, get_args

from harness.api import DataError, setting

from .brain import SEGMENTATION, BrainConfig, BrainSlices
from .nifti import Volume, read_volume
from .raw import contents, existing_root, something_else
from .volumes import all_files, one_copy

_MENZE = (
    "B. H. Menze et al.: The multimodal brain tumor image segmentation benchmark (BRATS). IEEE "
    "Transactions on Medical Imaging 34(10), 1993-2024, 2015."
)
_BAKAS = (
    "S. Bakas et al.: Advancing The Cancer Genome Atlas glioma MRI collections with expert segmentation "
    "labels and radiomic features. Scientific Data 4:170117, 2017."
)
_BAID = (
    "U. Baid et al.: The RSNA-ASNR-MICCAI BraTS 2021 benchmark on brain tumor segmentation and radiogenomic "
    "classification. arXiv 2107.02314, 2021."
)
_UNPUBLISHED = "not in the published work"
_WHOLE_TUMOUR = "in FLAIR the whole tumour shows, which is what a generator of pathology should make"


class _Kind(NamedTuple):
    """Files that somebody may take for an edition's: how their names begin, and who reads them."""

    begins: str
    title: str
    adapter: str | None = None


_KINDS = (
    _Kind("Brats18_", "BraTS 2018", "brats2018"),
    _Kind("BraTS19_", "BraTS 2019"),
    _Kind("BraTS20_Validation_", "the validation cases of BraTS 2020, which have no segmentation"),
    _Kind("BraTS20_", "BraTS 2020", "brats2020"),
    _Kind(r"BraTS2021_\d", "BraTS 2021", "brats2021"),
    _Kind(r"BraTS-GLI-\d{5}-0", "BraTS 2023 (GLI)", "brats2023"),
    _Kind(r"BraTS-GLI-\d{5}-[1-9]", "BraTS 2024 (GLI, after treatment)"),
    _Kind("BraTS-(MEN|MET|PED|SSA)", "another task of BraTS than adult glioma before treatment"),
    _Kind(r"BRATS_\d{3}\b", "Task01_BrainTumour of the Medical Segmentation Decathlon", "msd-brain"),
)


def another_set(root: Path, own: str) -> _Kind | None:
    """Which set of brain volumes a folder seems to hold, if it is one that is known and not ``own``."""
    names = [path.name for path in all_files(root)] if root.is_dir() else []
    kinds = [kind for kind in _KINDS if kind.adapter != own]
    return next((kind for kind in kinds if any(re.match(kind.begins, name, re.I) for name in names)), None)


class Brats(BrainSlices):
    """An edition of BraTS, from the folder of its training cases, with or without HGG and LGG in it.

    Attributes:
        name: What the edition is registered as.
        case: What a case is called; the group is its patient.
        separator: What stands between a case and a modality in the name of a file.
    """

    name: ClassVar[str]
    case: ClassVar[str]
    separator: ClassVar[str] = "_"
    values: ClassVar[Mapping[str, int]] = {"necrosis": 1, "oedema": 2, "enhancing": 4}

    @cached_property
    def _cases(self) -> dict[str, dict[str, Path]]:
        root = existing_root(self)
        kinds = "|".join((*self.modalities, SEGMENTATION))
        # Of one case of BraTS 2020 the segmentation has kept its author's name in many copies.
        pattern = re.compile(rf"({self.case}){self.separator}({kinds})\.nii(\.gz)?", re.IGNORECASE)
        owner = re.compile(self.case, re.IGNORECASE)
        found: dict[tuple[str, str], list[Path]] = {}
        strays: dict[str, list[Path]] = {}
        for path in all_files(root) if root.is_dir() else []:
            if match := pattern.fullmatch(path.name):
                found.setdefault((match[1], match[3].lower()), []).append(path)
            elif _STRAY.fullmatch(path.name) and owner.fullmatch(path.parent.name):
                strays.setdefault(path.parent.name, []).append(path)
        if not found:
            raise self._something_else(root)
        cases: dict[str, dict[str, Path]] = {}
        for (case, kind), copies in found.items():
            cases.setdefault(case, {})[kind] = one_copy(copies, owner)
        for case, files in cases.items():
            if case in strays:
                files.setdefault(SEGMENTATION, one_copy(strays[case], owner))
            if len(folders := {_case_folder(path, case) for path in files.values()}) > 1:
                one_copy([folder / "a" for folder in folders], owner)
        return cases

    def _something_else(self, root: Path) -> DataError:
        needed = f"{self._example} and the like, with or without HGG and LGG"
        kind = another_set(root, self.name)
        if kind is None:
            return something_else(self, needed)
        adapter = f"--dataset {kind.adapter}" if kind.adapter else "no adapter reads these; folder may do"
        return DataError(f"{root} holds {contents(root)}: {kind.title}", needed=needed, hint=adapter)

    @property
    def _example(self) -> str:
        return f"{_EXAMPLES[self.name]}{self.separator}{self.modalities[-1]}.nii.gz"

    def _volume(self, item: str, kind: str) -> Volume:
        files = self._cases[item]
        if kind not in files:
            raise DataError(
                f"{item} has no {kind} volume, only {', '.join(sorted(files))}",
                needed=f"{item}{self.separator}{kind}.nii.gz",
                hint="choose another modality",
            )
        return read_volume(files[kind])

    def _patient(self, case: str) -> str:
        match = re.fullmatch(self.case, case, re.IGNORECASE)
        assert match is not None  # or it were no case
        return match[1]

    def _stratum(self, case: str) -> str:
        """HGG or LGG by the folder above, or nothing where all cases lie together."""
        assert self.root is not None
        for path in self._cases[case].values():
            parts = {part.upper() for part in (self.root.name, *path.relative_to(self.root).parts)}
            return next((grade for grade in ("HGG", "LGG") if grade in parts), "")
        return ""


_STRAY = re.compile(r".+_Segm\.nii(\.gz)?")
_EXAMPLES = {
    "brats2018": "Brats18_CBICA_AAB_1",
    "brats2020": "BraTS20_Training_001",
    "brats2021": "BraTS2021_00000",
    "brats2023": "BraTS-GLI-00000-000",
}


def _case_folder(path: Path, case: str) -> Path:
    return next((folder for folder in path.parents if folder.name == case), path.parent)


Classic = Literal["t1", "t1ce", "t2", "flair"]
New = Literal["t1n", "t1c", "t2w", "t2f"]


class BratsConfig(BrainConfig):
    """Options of BraTS 2020 and 2021."""

    modality: Classic = setting("flair", "t1, t1ce, t2 or flair", source=f"ours: {_WHOLE_TUMOUR}")


class Brats2018Config(BratsConfig):
    """Options of BraTS 2018."""

    modality: Classic = setting(
        "flair", "t1, t1ce, t2 or flair", source=f"ours: the published work names none; {_WHOLE_TUMOUR}"
    )
    slices_per_case: int | None = setting(
        23,
        "equally spaced slices of each case; none for all",
        source="inferred: 285 x 23 = 6555, of which batches of 32 make the published 6528",
        ge=1,
    )


class Brats2023Config(BrainConfig):
    """Options of BraTS 2023."""

    modality: New = setting("t2f", "t1n, t1c, t2w or t2f", source=f"ours: {_WHOLE_TUMOUR}")


class Brats2018(Brats):
    """285 cases of BraTS 2018: 210 of high and 75 of low grade."""

    version = 3
    name = "brats2018"
    Config = Brats2018Config
    case = r"(Brats18_.+)_\d+"
    modalities: ClassVar = get_args(Classic)
    licence = "research use with both citations"
    citation = f"{_MENZE} {_BAKAS}"
    obtain = (
        "registration at https://www.med.upenn.edu/sbia/brats2018/registration.html has ended, and few still "
        "have it: unpack the training data and name that folder: "
        "--data-root MICCAI_BraTS_2018_Data_Training; or use brats2020 or brats2021"
    )
    published_count = (
        "6528 of one modality, not named. 285 cases x 23 slices are 6555; batches of 32 without the "
        "incomplete last one are 6528."
    )


class Brats2020(Brats):
    """369 training cases of BraTS 2020: 293 of high and 76 of low grade, in one folder."""

    version = 1
    name = "brats2020"
    Config = BratsConfig
    case = r"(BraTS20_Training_\d{3})"
    modalities: ClassVar = get_args(Classic)
    licence = "research use with both citations"
    citation = f"{_MENZE} {_BAKAS}"
    obtain = (
        "request it at https://www.med.upenn.edu/cbica/brats2020/data.html, unpack the training data and "
        "name that folder: --data-root MICCAI_BraTS2020_TrainingData"
    )
    published_count = f"{_UNPUBLISHED}: 369 training cases"


class Brats2021(Brats):
    """1251 training cases of BraTS 2021, in one folder."""

    version = 1
    name = "brats2021"
    Config = BratsConfig
    case = r"(BraTS2021_\d{5})"
    modalities: ClassVar = get_args(Classic)
    licence = "that of the place where it was got (docs/datasets.md), with all three citations"
    citation = f"{_BAID} {_MENZE} {_BAKAS}"
    obtain = (
        "request it at https://www.synapse.org/brats2021, unpack the training data and name that folder: "
        "--data-root BraTS2021_Training_Data"
    )
    published_count = f"{_UNPUBLISHED}: 1251 training cases"


class Brats2023(Brats):
    """1251 training cases of BraTS 2023, task GLI (adult glioma), in one folder."""

    version = 1
    name = "brats2023"
    Config = Brats2023Config
    case = r"(BraTS-GLI-\d{5})-0\d{2}"
    separator = "-"
    values: ClassVar = {"necrosis": 1, "oedema": 2, "enhancing": 3}
    modalities: ClassVar = get_args(New)
    licence = "that of the place where it was got (docs/datasets.md), with all three citations"
    citation = f"{_BAID} {_MENZE} {_BAKAS}"
    obtain = (
        "request it at https://www.synapse.org/brats2023, unpack the training data of the task GLI and name "
        "that folder: --data-root ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"
    )
    published_count = f"{_UNPUBLISHED}: 1251 training cases"
