"""``bench data``: get raw files, prepare them, and look at them."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BenchError, DataError, Interrupted, SpecError
from ..files import move_aside, typed
from ..interrupting import heeding
from ..limits import check_side
from .options import (
    AsJson,
    Assignments,
    CacheOption,
    Roots,
    SkipBad,
    Source,
    Target,
    Workers,
    cache_folder,
    data_root_of,
    registry,
    settings_of,
    tell,
)
from .stopping import StopSignal

if TYPE_CHECKING:
    from ..api import Dataset
    from ..data.image_set import ImageSet

app = typer.Typer(
    name="data", help="Download raw files, prepare them, and look at them.", no_args_is_help=True
)

Name = Annotated[str, typer.Option("--dataset", help="Name of the data set: bench list datasets.")]
Resolutions = Annotated[
    str, typer.Option("--res", help="Sides of the square images in pixels, comma separated.")
]


@app.command()
def prepare(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
) -> None:
    """Read the raw files once, and keep square images of each resolution for all runs to come."""
    asked = _Asked(dataset, _sides(res), (source, target), data_root, assignments, workers, skip_bad)
    made = asked.made()
    for images in asked.prepared(made, cache_folder(cache)):
        patients = images.table["patient"].nunique()
        skipped = f", {len(images.skipped)} items skipped" if images.skipped else ""
        print(
            f"{images.resolution} px: {len(images)} images of {patients} patients{skipped} in {images.home}"
        )
    if left_out := made.left_out():
        print(f"left out: {len(left_out)} files; bench data info tells why")
    for note in made.notes():
        print(f"note: {note}")


@app.command()
def info(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
    sheet: Annotated[
        Path | None, typer.Option(help="File for the contact sheet; default DATASET-RES.png.")
    ] = None,
    files: Annotated[
        Path | None, typer.Option(help="CSV file to write, with a line for every raw file and its use.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what is there, and lay some prepared images out in a picture for a person to look at."""
    from ..data.pictures import mosaic, save_png
    from .answers import DataInfo, emit
    from .counts import prepared_set, print_info

    asked = _Asked(dataset, _sides(res), (source, target), data_root, assignments, workers, skip_bad)
    made = asked.made()
    sets = asked.prepared(made, cache_folder(cache))
    told = []
    for images in sets:
        picture = sheet or Path(f"{dataset}.png")
        if sheet is None or len(sets) > 1:
            picture = picture.parent / f"{picture.stem}-{images.resolution}{picture.suffix}"
        save_png(picture, mosaic(images.limit(48, seed=0).images, 8))
        told.append(prepared_set(images, registry().load("datasets", dataset), picture))
    left_out, used = made.left_out(), sets[0].table["source"].unique().tolist()
    if files is not None:
        skipped = {item: f"skipped: {reason}" for item, reason in told[0].skipped.items()}
        _write_uses(files, dict.fromkeys(used, "used") | dict(left_out) | skipped)
    info = DataInfo(sets=told, files_used=len(used), left_out=dict(left_out), notes=list(made.notes()))
    emit(info) if as_json else print_info(info)


@app.command()
def verify(
    dataset: Name,
    res: Resolutions = "64",
    source: Source = None,
    target: Target = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    assignments: Assignments = None,
    workers: Workers = None,
    skip_bad: SkipBad = False,
) -> None:
    """Prepare once more from the raw files, and compare with what the cache holds."""
    import tempfile

    asked = _Asked(dataset, _sides(res), (source, target), data_root, assignments, workers, skip_bad)
    damaged: list[str] = []
    sets = asked.prepared(asked.made(), cache_folder(cache), tell=damaged.append)
    if damaged:
        raise DataError(damaged[0], needed="images as they were prepared", hint="the same command again")
    with tempfile.TemporaryDirectory() as folder:
        for kept, fresh in zip(sets, asked.prepared(asked.made(), Path(folder)), strict=True):
            if fresh.digests != kept.digests:
                home = kept.home or Path()
                raise BenchError(
                    f"{home} is not what the raw files give today",
                    needed="the same images from the same files",
                    hint=f"{move_aside(home)}; versions of Pillow or nibabel may differ",
                )
            print(f"{kept.resolution} px: {len(kept)} images as the raw files have them")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name of the data set.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the raw files; default data/NAME.")] = None,
) -> None:
    """Download the raw files of a data set that anybody may download."""
    from ..data.fetch import fetch as download
    from .downloading import DownloadBar

    kind = registry().load("datasets", name)
    root = out or Path("data") / name
    download(kind, name, root, progress=DownloadBar())
    print(f"{name} is in {root}; its terms: {kind.licence}\ncite: {kind.citation}")
    print("next:", typed("bench", "data", "info", "--dataset", name, "--data-root", root))


def _sides(text: str) -> list[int]:
    try:
        sides = [int(side) for side in text.split(",")]
    except ValueError:
        sides = []
    if not sides:
        raise SpecError(
            f"--res {reprlib.repr(text)} names no sides", needed="such as --res 64 or --res 64,256"
        )
    for side in sides:
        check_side(side)
    return sides


@dataclass(frozen=True)
class _Asked:
    """A data set as somebody asked for it."""

    dataset: str
    sides: list[int]
    modalities: tuple[str | None, str | None]
    data_root: list[Path] | None
    assignments: list[str] | None
    workers: int | None
    skip_bad: bool

    def made(self) -> Dataset:
        """The data set on its raw files."""
        from ..cell.spec import pair_of
        from ..running.datasets import dataset_settings, make_dataset

        registry()
        settings = dataset_settings(settings_of(self.assignments))
        root = data_root_of(self.dataset, self.data_root)
        return make_dataset(self.dataset, settings, root, pair_of(*self.modalities))

    def prepared(self, made: Dataset, cache: Path, tell: Callable[[str], None] = tell) -> list[ImageSet]:
        """Its image sets, one for each side, prepared below a cache folder."""
        from ..data.prepare import prepare as build
        from .progress import Terminal

        with StopSignal("stopping after this item; once more to stop at once") as stop:
            try:
                with heeding(stop), Terminal(registry().manager, lambda: False) as terminal:
                    sets = build(
                        made,
                        self.dataset,
                        self.sides,
                        cache / "images",
                        workers=self.workers,
                        skip_bad=self.skip_bad,
                        progress=terminal.preparing,
                        tell=tell,
                    )
            except Interrupted:
                from .exits import stopped_by

                sys.exit(stopped_by(stop.number))
        return list(sets.values())


def _write_uses(path: Path, uses: dict[str, str]) -> None:
    import pandas as pd

    from ..files import atomic_write

    with atomic_write(path) as file:
        pd.DataFrame(sorted(uses.items()), columns=["file", "use"]).to_csv(file, index=False)
