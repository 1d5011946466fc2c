"""``bench report``: one HTML file about all results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    RESULTS,
    CacheOption,
    Device,
    Results,
    Roots,
    Where,
    cache_folder,
    registry,
    roots_of,
    survey_of,
    tell,
)


def report(
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default RESULTS/report.html.")] = None,
    where: Where = None,
    with_real_images: Annotated[
        bool,
        typer.Option(
            "--with-real-images",
            help="Also show the training images nearest to samples: the file then holds patient data.",
        ),
    ] = False,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Write one self-contained HTML file: tables, curves, samples, protocol and versions."""
    from ..files import atomic_write
    from ..running.environment import pick_device
    from ..running.images import CellImages
    from ..views.report import make_report

    registry()
    found = survey_of(results, where)
    real = CellImages(roots_of(data_root), cache_folder(cache), tell) if with_real_images else None
    text = make_report(found, results, pick_device(device), real=real)
    path = out or results / "report.html"
    with atomic_write(path) as file:
        file.write(text.encode(errors="backslashreplace"))  # of a path that is no text
    print(path)
