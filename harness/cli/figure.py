"""``bench figure``: samples beside real images, translations, what a model explains, curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..limits import SEEDS
from .options import (
    RESULTS,
    CacheOption,
    Device,
    OneResolution,
    Results,
    Roots,
    Source,
    Target,
    Where,
    cache_folder,
    names_of,
    registry,
    roots_of,
    survey_of,
    tell,
)
from .table import Which


def figure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="5|6|7|paired|curves|ranks|radiomics|utility|GRID",
            help="5, 6: samples at 64 and 256 px. 7: a model's own explanation. paired: source, output, "
            "target and error of translators. ranks: mean ranks of models, and which can't be told apart. "
            "radiomics: the radiomic features of samples that differ most. utility: what is "
            "learnt from samples. A grid's file: its samples.",
        ),
    ],
    models: Annotated[
        str | None, typer.Option(help="Models to show instead of the grid's, comma separated.")
    ] = None,
    datasets: Annotated[
        str | None, typer.Option(help="Data sets to show instead of the grid's, comma separated.")
    ] = None,
    res: OneResolution = None,
    where: Where = None,
    metric: Annotated[str, typer.Option(help="For ranks: the score.")] = "fid",
    which: Which = "best",
    count: Annotated[int, typer.Option(min=1, max=100, help="Images in a row; for 7 and paired, rows.")] = 8,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=SEEDS - 1, help="First seed of the samples, or number of the first held-out slice."
        ),
    ] = 0,
    source: Source = None,
    target: Target = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the figures; default RESULTS/figures.")] = None,
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Draw a figure from records and checkpoints, as PNG and PDF."""
    from ..running.environment import pick_device
    from ..running.images import CellImages
    from ..views.drawing import EXPLAINED, SAMPLES_OF, Drawing, Selection, has_modalities

    registry()
    found = survey_of(results, where)
    for problem in found.problems:
        tell(problem)
    drawing = Drawing(
        [result for result in found.results if has_modalities(result, source, target)],
        out or results / "figures",
        CellImages(roots_of(data_root), cache_folder(cache), tell),
        pick_device(device),
    )
    chosen = Selection(names_of(models), names_of(datasets), res)
    if name in EXPLAINED:
        paths = drawing.explanations(name, chosen, count, seed)
    elif name == "curves":
        paths = drawing.curves(chosen)
    elif name == "ranks":
        paths = drawing.ranks(chosen, metric, which)
    elif name == "utility":
        paths = drawing.utility(chosen)
    elif name == "radiomics":
        paths = drawing.radiomics(chosen, seed)
    else:
        from ..grid.definition import load_grid

        grid = load_grid(SAMPLES_OF.get(name, name)).narrowed(
            models=chosen.models,
            datasets=chosen.datasets,
            resolutions=None if res is None else (res,),
            source=source,
            target=target,
        )
        paths = drawing.samples(f"figure{name}" if name in SAMPLES_OF else grid.name, grid, count, seed)
    for problem in drawing.problems:
        print(f"left out: {problem}")
    for path in paths:
        print(path)
