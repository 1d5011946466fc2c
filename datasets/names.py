"""What the names of files and folders tell: masks, modalities, patients and splits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from harness.api import Split

#: Words that mean a mask wherever they stand in a file's name, or at the end of a folder's.
_MASKS = frozenset(
    "mask masks msk segmentation segmentations label labels labelmap labelstr labelsts labelsval groundtruth "
    "annotation annotations dseg probseg segmentationclass segmentationobject".split()
)
#: Shorter ones, which also occur in sites' and cases' names: only at the beginning or end of a name.
_SHORT_MASKS = frozenset("seg segm gt roi rois manual manual1 manual2".split())
#: What may follow such a word in a folder's name: masks_png, gt_images.
_FORMATS = frozenset("png jpg jpeg tif tiff gif bmp nii image images".split())
_MODALITIES = frozenset(
    "t1 t1w t1n t1c t1ce t1gd t1post t2 t2w t2f t2star t2flair flair pd pdw dwi adc swi bold asl mra "
    "ct cta pet mr mri".split()
)
_SPLITS: dict[str, Split] = {
    "train": "train", "training": "train", "imagestr": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "imagesval": "val",
    "test": "test", "testing": "test", "imagests": "test",
    "trainset": "train", "valset": "val", "devset": "val", "testset": "test",
}  # fmt: skip
#: What may stand beside a split's word in a folder's name: test_set, val images.
_BESIDE_SPLITS = frozenset("set image images img imgs data".split())
#: A channel's number as nnU-Net writes it: case_0000.nii.gz in imagesTr.
_CHANNEL = re.compile(r"_(\d{4})$")

#: Names by which known collections call a patient; what follows them counts visits, frames or views.
_PATIENTS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?-i:(sub-[A-Za-z0-9]+))(?=[/_.])"  # BIDS
    r"|(Brats1[789]_[A-Za-z0-9]+_[A-Za-z0-9]+)(?=_\d)"  # BraTS 2017 to 2019
    r"|(BraTS20_(?:Training|Validation)_\d+)|(BraTS2021_\d+)|(BraTS-[A-Za-z]+-\d+)(?=-\d)"  # BraTS since 2020
    r"|((?:patient|subject|case)[-_ ]?\d+)"  # ACDC, CheXpert, KiTS
    r"|(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})|(LIDC-IDRI-\d{4})"  # The Cancer Imaging Archive
    r"|(OAS\d_\d{4})|(IXI\d{3})|(\d{3}_S_\d{4})"  # OASIS, IXI, ADNI
    r"|(\d{8})(?=_\d{3}\.png$)|(p\d{8})(?=/)"  # ChestX-ray14, MIMIC-CXR
    # Medical Segmentation Decathlon
    r"|((?:BRATS|la|prostate|hippocampus|lung|pancreas|hepaticvessel|spleen|colon|liver)_\d{2,3})(?=[\w]*\.nii)"
    r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def words_of(part: str) -> list[str]:
    """The words of a name, in small letters."""
    joined = re.sub(r"ground[^a-z0-9]+truth", "groundtruth", part.lower())
    return [word for word in re.split(r"[^a-z0-9]+", joined) if word]


def is_mask(name: str) -> bool:
    """Whether a file is a mask by its own name or by that of a folder that it is in."""
    path = PurePosixPath(name)
    words = words_of(_stem(path.name))
    ends = {*words[:1], *(words[-2:-1] if words and words[-1].isdigit() else words[-1:])}
    if _MASKS & set(words) or _SHORT_MASKS & ends:
        return True
    return any(_last_word(part) in _MASKS | _SHORT_MASKS for part in path.parts[:-1])


def _last_word(folder: str) -> str:
    """The word that tells what is in a folder, which is its last but for the names of formats."""
    words = words_of(folder)
    return next((word for word in reversed(words) if word not in _FORMATS), "")


def modality_of(name: str) -> str:
    """The modality that a file's name tells, or else a folder's; nothing where none does."""
    path = PurePosixPath(name)
    stem = _stem(path.name)
    if told := "".join(dict.fromkeys(word for word in words_of(stem) if word in _MODALITIES)):
        return told
    channel = _CHANNEL.search(stem)
    if channel and path.parent.name.lower().startswith("images") and path.name.lower().endswith(_VOLUMES):
        return channel[1]
    return next((part for part in map(str.lower, reversed(path.parts[:-1])) if part in _MODALITIES), "")


def known_patient(name: str) -> str:
    """The patient by the naming of a known collection; nothing where there is none."""
    matches = list(_PATIENTS.finditer(name))
    return next((found for found in matches[0].groups() if found), "") if matches else ""


def split_of(part: str) -> Split | None:
    """The split that a folder or a table's entry names."""
    words = [word for word in words_of(part) if word not in _BESIDE_SPLITS]
    return _SPLITS.get(words[0]) if len(words) == 1 else None


def folder_splits(names: Iterable[str]) -> dict[str, Split]:
    """Splits of files by the folders that they are in; nothing where all folders name only one split."""
    splits: dict[str, Split] = {}
    for name in names:
        told = [split for part in PurePosixPath(name).parts[:-1] if (split := split_of(part))]
        if told:
            splits[name] = told[0]
    return splits if len(set(splits.values())) > 1 else {}


_VOLUMES = (".nii.gz", ".nii")


def _stem(file: str) -> str:
    lower = file.lower()
    ending = next((ending for ending in _VOLUMES if lower.endswith(ending)), None)
    return file[: -len(ending)] if ending else PurePosixPath(file).stem
