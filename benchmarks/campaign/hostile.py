"""Files that somebody else made: damaged, oversized, wrongly named, or made to harm. Refused, never obeyed.

Every call gets so much memory and no more, ends in time, and leaves nothing outside of its own folders.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from .healthy import Healthy
from .server import call, limit_memory
from .strange_files import ARCHIVES, ARRAYS, IMAGES, TREES, dicom, good_images, nifti
from .verdict import Fault, Trial

SECONDS = 120.0


def hostile_images(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Image files with other bytes, other sizes, or other kinds of things in their place, scored or read."""
    place = healthy.empty()
    folder = good_images(place / "images", draw)
    name = draw.choice(sorted(IMAGES))
    trial.did = f"an image: {name}"
    IMAGES[name](folder, draw)
    _read_by_all(place, folder, trial, draw)


def hostile_arrays(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Arrays whose header lies, or that hold a program; alone, or among the files of a folder."""
    place = healthy.empty()
    name = draw.choice(sorted(ARRAYS))
    trial.did = f"an array: {name}"
    folder = good_images(place / "images", draw)
    alone = draw.random() < 0.6
    path = (place if alone else folder) / draw.choice(["x.npy", "x.npy", "x.npz"])
    path.write_bytes(ARRAYS[name](draw))
    _read_by_all(place, path if alone else folder, trial, draw)


def hostile_archives(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Archives that are damaged, that reach out of their folder, or that hold far more than they seem to."""
    place = healthy.empty()
    name = draw.choice(sorted(ARCHIVES))
    trial.did = f"an archive: {name}"
    path = place / draw.choice(["x.zip", "x.zip", "x.npz"])
    path.write_bytes(ARCHIVES[name](good_images(place / "images", draw), draw))
    _read_by_all(place, path, trial, draw)


def hostile_volumes(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """NIfTI and DICOM files with other bytes and other headers, in a folder of images."""
    place = healthy.empty()
    folder = good_images(place / "images", draw)
    kind = draw.choice(["NIfTI", "DICOM"])
    content = bytearray(nifti(draw) if kind == "NIfTI" else dicom(draw))
    changes = draw.choice([0, 1, 3, 10, 40])
    for _ in range(changes):
        content[draw.randrange(min(len(content), 900))] = draw.randrange(256)
    if draw.random() < 0.2:
        del content[draw.randrange(len(content)) :]
    trial.did = f"a {kind} file, {changes} bytes changed"
    (folder / ("x.nii" if kind == "NIfTI" else "x.dcm")).write_bytes(content)
    _read_by_all(place, folder, trial, draw)


def hostile_trees(healthy: Healthy, trial: Trial, draw: random.Random) -> None:
    """Folders with pipes, devices, loops, strange names and strange tables in them."""
    place = healthy.empty()
    folder = good_images(place / "images", draw)
    name = draw.choice(sorted(TREES))
    trial.did = f"a folder: {name}"
    TREES[name](folder, draw)
    _read_by_all(place, folder, trial, draw)


def _read_by_all(place: Path, path: Path, trial: Trial, draw: random.Random) -> None:
    """Score it, or prepare it as a data set: the same file must be right or refused, and do nothing else."""
    reference = good_images(place / "reference", random.Random(0))
    cache = f"--cache={place / 'cache'}"
    score = ["score", "--generated", path, f"--reference={reference}", "--metrics=swd", "--offline", cache]
    info = ["data", "info", "--dataset=folder", "--data-root", path, "--res=32", "--workers=1", cache,
            f"--sheet={place / 'sheet.png'}"]  # fmt: skip
    arguments = draw.choice([score, info, [*info, "--skip-bad"]])
    outside = place / "outside"
    outside.mkdir()
    inside = {"images", "reference", "cache", "sheet.png", "outside", path.name}
    ended = trial.check(call(arguments, outside, limit_memory, seconds=SECONDS), codes={0, 2})
    trial.way = "refused" if ended.code else "read"
    strays = sorted({entry.name for entry in place.iterdir()} - inside) + sorted(os.listdir(outside))
    if strays:
        raise Fault("lost", f"something was written where nothing should be: {strays[0]!r}")


FAMILIES: dict[str, Callable[[Healthy, Trial, random.Random], None]] = {
    "hostile: images": hostile_images,
    "hostile: arrays": hostile_arrays,
    "hostile: archives": hostile_archives,
    "hostile: volumes": hostile_volumes,
    "hostile: folders and tables": hostile_trees,
}
