"""Options of any folder of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from harness.api import Colour, Flip, PluginConfig, Square, setting

from .arrays import Axes
from .space import Plane

Flips = Annotated[
    tuple[Flip, ...], BeforeValidator(lambda value: value.split(",") if isinstance(value, str) else value)
]


class FolderConfig(PluginConfig):
    """Options of a folder of images."""

    square: Square = setting(
        "pad",
        "how images that are not square become so: crop, pad or stretch",
        source="ours: nothing is lost",
    )
    colour: Colour = setting(
        "auto",
        "grey, rgb, or auto: rgb as soon as one picture is coloured beyond rounding",
        source="ours: nothing is lost",
    )
    flips: Flips = setting(
        (),
        "mirrorings that keep the anatomy, such as left-right; others that a model trains on are told",
        source="ours: nobody knows what a folder shows",
    )
    table: str | None = setting(
        None,
        "CSV file in the folder with the columns file, patient and, if wanted, split; none for patients.csv "
        "if there is one",
        source="ours",
    )
    patient: str | None = setting(
        None,
        "how a path tells the patient: parent, or a regular expression whose brackets find it; none for the "
        "table, DICOM's PatientID, and the names of BIDS and other known collections",
        source="ours",
    )
    include: str = setting(
        "",
        "only files like these patterns, such as *_t1.nii.gz, comma separated",
        source="ours",
    )
    exclude: str = setting("", "no files like these patterns, comma separated", source="ours")
    modality: str | int | None = setting(
        None,
        "modality by files' names or DICOM headers, such as t1c or CT; none for the one of most files",
        source="ours",
    )
    masks: bool = setting(False, "read files that are masks by their names as images, too", source="ours")
    plane: Plane | None = setting(
        None, "axial, coronal or sagittal; none for axial, of DICOM for every plane", source="ours"
    )
    spacing: float | None = setting(
        None,
        "size of a pixel for all images, which then show equal squares of the body; none for each file's "
        "own, made square",
        unit="mm",
        source="ours",
        gt=0.0,
    )
    volume: int | str | None = setting(
        None,
        "which volume of a 4D file: its number from 0, its name in dataset.json, or all",
        source="ours: nobody can guess it",
    )
    axes: Axes | None = setting(
        None,
        "axes of npy files: HW, NHW, HWN, HWC, CHW, NHWC or NCHW; none where their lengths tell",
        source="ours",
    )
    low: float | None = setting(
        None,
        "value that becomes black, in volumes, DICOM and whatever has more than 8 bits",
        source="ours: none for a file's own window, a percentile, or 0 in pictures",
    )
    high: float | None = setting(
        None,
        "value that becomes white, in volumes, DICOM and whatever has more than 8 bits",
        source="ours: none for a file's own window, a percentile, or the brightest of all pictures",
    )
    percentile: float = setting(
        99.5,
        "percentile of a patient's folder that becomes white; what is left to 100 is that of black",
        source="ours: as for the other volumes",
        gt=50.0,
        le=100.0,
    )
