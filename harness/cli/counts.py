"""What there is of a data set: counted from its prepared images, and told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .answers import DataInfo, ImageCount, PreparedSet

if TYPE_CHECKING:
    import pandas as pd

    from ..api import Dataset
    from ..data.image_set import ImageSet


def prepared_set(images: ImageSet, kind: type[Dataset], contact_sheet: Path) -> PreparedSet:
    """One image set in numbers."""
    table = images.table
    width, height = table["width"], table["height"]
    return PreparedSet(
        name=images.name,
        resolution=images.resolution,
        count=_count(table),
        published_count=kind.published_count,
        splits={str(split): _count(part) for split, part in table.groupby("split")},
        raw_width=(int(width.min()), int(width.max())),
        raw_height=(int(height.min()), int(height.max())),
        raw_modes={str(mode): int(count) for mode, count in table["mode"].value_counts().items()},
        channels=images.channels,
        conversions=dict(images.conversions),
        labels=_labelled(images),
        skipped={entry["item"]: entry["reason"] for entry in images.skipped},
        fingerprint=images.fingerprint,
        home=str(images.home),
        contact_sheet=str(contact_sheet),
    )


def print_info(info: DataInfo) -> None:
    """Tell it to a person."""
    for images in info.sets:
        _print_set(images)
    for note in info.notes:
        print(f"note: {note}")
    print(f"files used: {info.files_used}, left out: {len(info.left_out)}")
    reasons = list(info.left_out.values())
    for reason in sorted(set(reasons), key=reasons.count, reverse=True):
        names = [name for name, why in info.left_out.items() if why == reason]
        print(f"  {len(names)} {reason}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")


def _print_set(images: PreparedSet) -> None:
    print(f"{images.name} at {images.resolution} px: {_told(images.count)}")
    if images.published_count:
        print(f"published count: {images.published_count}")
    for split, count in images.splits.items():
        print(f"  {split}: {_told(count)}")
    (narrow, wide), (low, high) = images.raw_width, images.raw_height
    print(f"raw sizes: {narrow} to {wide} pixels wide, {low} to {high} high")
    print(f"raw modes: {_listed(images.raw_modes.items())}")
    print(f"colours: {'RGB' if images.channels == 3 else 'grey'}")
    for name, number in images.conversions.items():
        print(f"lost on the way: {name}, in {number} images")
    for name, number in images.labels.items():
        print(f"label {name}: in {number} images")
    print(f"damaged and skipped: {len(images.skipped)}")
    for item, reason in images.skipped.items():
        print(f"  {item}: {reason}")
    print(f"fingerprint: {images.fingerprint}\nprepared in: {images.home}")
    print(f"contact sheet, to look at: {images.contact_sheet}")


def _labelled(images: ImageSet) -> dict[str, int]:
    """In how many raw slices each label occurs; those whose labels nobody knows come last."""
    if not images.label_names:
        return {}
    shown = images.table["labels"].str.get_dummies(";")
    names = [*images.label_names, *({"unknown"} & set(shown.columns))]
    return {name: int(shown[name].sum()) if name in shown else 0 for name in names}


def _count(table: pd.DataFrame) -> ImageCount:
    return ImageCount(images=len(table), patients=int(table["patient"].nunique()))


def _told(count: ImageCount) -> str:
    images, patients = (
        f"{number} {noun}{'s' if number != 1 else ''}"
        for number, noun in ((count.images, "image"), (count.patients, "patient"))
    )
    return f"{images} of {patients}"


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts)
