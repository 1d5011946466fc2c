"""``bench score``: images made by anything, under the same protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .catalogue import print_columns
from .options import (
    AsJson,
    Assignments,
    CacheOption,
    Device,
    Offline,
    Roots,
    SkipBad,
    WeightsOption,
    cache_folder,
    data_root_of,
    names_of,
    registry,
    settings_of,
    tell,
    weights_of,
)

if TYPE_CHECKING:
    from ..running.foreign import ForeignScores


def score(
    generated: Annotated[
        Path,
        typer.Option(help="Images to score: a folder, a zip, a TIFF stack, a .npy or .npz array of uint8."),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Real images to score against: bench list datasets.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Real images in such a form instead of a data set, or mu and sigma in .npz, for fid."
        ),
    ] = None,
    res: Annotated[
        int | None, typer.Option(help="Side of the images, in pixels; that of the generated ones by default.")
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Scores, comma separated: bench list metrics.")
    ] = "fid,kid,manifold,frd,swd,ms_ssim",
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Score against the test patients too, and report the gap.")
    ] = False,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Also compute FID and KID through clean-fid and torch-fidelity themselves."
        ),
    ] = False,
    curve: Annotated[
        Path | None,
        typer.Option(
            help="Draw Fréchet distances against the number of images, extrapolated to infinitely many, to "
            "this file (.png, and .pdf beside it)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.")] = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    offline: Offline = False,
    skip_bad: SkipBad = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score images that were made elsewhere, by the protocol of ``bench run``."""
    from ..files import write_json
    from ..running.environment import pick_device
    from ..running.foreign import score_foreign
    from ..running.foreign_request import ForeignRequest
    from ..running.scorers import ScoringPlace

    registry()
    folder = cache_folder(cache)
    request = ForeignRequest(
        generated=generated,
        reference=reference,
        dataset=dataset,
        data_root=None if dataset is None else data_root_of(dataset, data_root),
        settings=settings_of(assignments),
        metrics=names_of(metrics) or (),
        resolution=res,
        held_out=held_out,
        skip_bad=skip_bad,
        cross_check=cross_check,
        curves=curve is not None,
    )
    place = ScoringPlace(pick_device(device), folder, weights_of(weights, folder, offline), tell)
    scored = score_foreign(request, place)
    if as_json:
        _emit(scored)
    else:
        _show(scored)
    if curve is not None:
        _draw(scored, curve)
    if out is not None:
        write_json(out, scored.as_dict())


def _emit(scored: ForeignScores) -> None:
    from .answers import Scored, emit

    content = scored.as_dict()
    own = {
        name: content.pop(name) for name in ("scores", "context", "notes", "caveats", "curves", "cross_check")
    }
    emit(Scored(goals=dict(scored.goals), facts=content, **own))


def _show(scored: ForeignScores) -> None:
    report, facts = scored.report, scored.facts
    rows = [(name, f"{value:.6g}", scored.goals.get(name, "")) for name, value in report.scores.items()]
    real = "statistics" if facts["n_real"] is None else f"{facts['n_real']} real"
    count = f"{facts['n_generated']} generated against {real}"
    count += f", {facts['n_held_out']} held out" if facts["n_held_out"] else ""
    count += f", {len(facts['skipped'])} items skipped" if facts["skipped"] else ""
    print_columns([*rows, ("images", count, "")])
    if report.context:
        print("\nhow far to trust them (docs/metrics.md):")
        print_columns([(f"  {name}", f"{value:.6g}") for name, value in report.context.items()])
    for curve in report.curves:
        print(f"\n{curve.score} at growing numbers of images, and at infinitely many:")
        each = zip(curve.sizes, curve.means, strict=True)
        print_columns([*((f"  {size}", f"{mean:.6g}") for size, mean in each), ("  ∞", f"{curve.limit:.6g}")])
    for caveat in report.caveats:
        print(f"caveat: {caveat}")
    for note in report.notes:
        print(f"note: {note}")
    if scored.cross_checks:
        print_columns(
            [("", "theirs", "ours", "relative difference", "")]
            + [
                (
                    f"{one.score}, {one.package}",
                    f"{one.theirs:.8g}",
                    f"{one.ours:.8g}",
                    f"{one.difference:+.1e}",
                    one.remark,
                )
                for one in scored.cross_checks
            ]
        )


def _draw(scored: ForeignScores, path: Path) -> None:
    from ..views.extrapolation import extrapolation_figure
    from ..views.figures import save_figure

    title = f"{scored.facts['n_generated']} generated and {scored.facts['n_real']} real images"
    for saved in save_figure(extrapolation_figure(scored.report.curves, title), path.with_suffix("")):
        print(f"wrote {saved}", file=sys.stderr)
