"""``bench score``: images made by anything, under the same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .catalogue import print_columns
from .options import (
    Assignments,
    CacheOption,
    Device,
    Offline,
    Roots,
    SkipBad,
    WeightsOption,
    cache_folder,
    data_root_of,
    registry,
    settings_of,
    weights_of,
)

if TYPE_CHECKING:
    from ..api import Population
    from ..plugins import Registry


def score(
    generated: Annotated[
        Path, typer.Option(help="Images to score: a folder, a zip of images, or a uint8 .npy array.")
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Real images to score against: bench list datasets.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A folder (zip, .npy) of real images instead of a data set.")
    ] = None,
    res: Annotated[
        int | None, typer.Option(help="Side of the images, in pixels; that of the generated ones by default.")
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Scores, comma separated: bench list metrics.")
    ] = "fid,kid,manifold,swd,ms_ssim",
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Score against the test patients too, and report the gap.")
    ] = False,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Also compute FID through clean-fid and torch-fidelity themselves."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.")] = None,
    assignments: Assignments = None,
    data_root: Roots = None,
    cache: CacheOption = None,
    weights: WeightsOption = None,
    offline: Offline = False,
    skip_bad: SkipBad = False,
    device: Device = "auto",
) -> None:
    """Score images that were made elsewhere, by the protocol of ``bench run``."""
    from ..api import ScoreError
    from ..files import write_json
    from ..running.environment import describe, pick_device, versions
    from ..scoring.generated import load_images
    from ..scoring.scorer import Scorer
    from ..scoring.selection import make_metrics
    from ..scoring.stored import fingerprint

    plugins = registry()
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    folder, where = cache_folder(cache), pick_device(device)
    locator = weights_of(weights, folder, offline)
    loaded, spaces = make_metrics(plugins, names, locator)
    images = load_images(generated)
    if res is not None and images.shape[2:] != (res, res):
        raise ScoreError(
            f"{generated} holds images of {images.shape[3]} x {images.shape[2]} pixels",
            needed=f"{res} x {res}",
            hint="make them at that size, or leave out --res",
        )
    settings = settings_of(assignments)
    train, apart, skipped = _real(
        plugins, dataset, reference, data_root, settings, images.shape[2], held_out, skip_bad, folder
    )
    scorer = Scorer(loaded, spaces, train, apart, where, folder / "features")
    scorer.check(len(images))
    report = scorer.report(images)

    rows = [(name, f"{value:.6g}", scorer.goals.get(name, "")) for name, value in report.scores.items()]
    count = f"{len(images)} generated against {len(train.values)} real"
    count += f", {len(apart.values)} held out" if apart else ""
    count += f", {len(skipped)} items skipped" if skipped else ""
    print_columns([*rows, ("images", count, "")])
    if report.context:
        print("\nhow far to trust them (docs/metrics.md):")
        print_columns([(f"  {name}", f"{value:.6g}") for name, value in report.context.items()])
    for note in report.notes:
        print(f"note: {note}")
    compared = _cross_check(plugins, locator, train, images, where) if cross_check else []
    if out is not None:
        write_json(
            out,
            {
                "scores": report.scores,
                "context": report.context,
                "notes": report.notes,
                "cross_check": compared,
                "score_versions": scorer.versions(),
                "n_generated": len(images),
                "n_real": len(train.values),
                "n_held_out": len(apart.values) if apart else 0,
                "skipped": skipped,
                "generated": fingerprint(images),
                "real": fingerprint(train.values),
                "versions": versions(),
                "device": describe(where),
            },
        )


class _Real(NamedTuple):
    """Real images, those of held-out patients, and the items that were left out."""

    train: Population
    apart: Population | None
    skipped: list[dict[str, str]]


def _real(
    plugins: Registry,
    dataset: str | None,
    reference: Path | None,
    data_root: list[Path] | None,
    settings: dict[str, Any],
    resolution: int,
    held_out: bool,
    skip_bad: bool,
    cache: Path,
) -> _Real:
    from ..api import Population, SpecError
    from ..data.prepare import prepare
    from ..running.resolve import make_dataset
    from ..scoring.generated import load_images

    if (dataset is None) == (reference is None):
        raise SpecError(
            "no real images to score against" if dataset is None else "both --dataset and --reference",
            needed="one of --dataset NAME and --reference DIR",
        )
    if dataset is None:
        assert reference is not None
        if held_out:
            raise SpecError("--held-out needs patients, which a folder has not", needed="--dataset NAME")
        return _Real(Population(load_images(reference)), None, [])
    source = make_dataset(plugins, dataset, settings, data_root_of(dataset, data_root))
    whole = prepare(source, dataset, [resolution], cache / "images", skip_bad=skip_bad)[resolution]
    if not held_out:
        return _Real(Population(whole.images, whole.patients), None, whole.skipped)
    train, apart = whole.select(["train", "val"]), whole.select("test")
    return _Real(
        Population(train.images, train.patients), Population(apart.images, apart.patients), whole.skipped
    )


def _cross_check(
    plugins: Registry, locator: Any, train: Population, images: Any, where: Any
) -> list[dict[str, Any]]:
    """Print our FID beside that of the two packages; with random weights where the real ones are missing."""
    from ..errors import WeightsError
    from ..scoring.crosscheck import cross_check

    name = "fid"
    space = plugins.make("features", "inception", weights=locator)
    try:
        space.check()
    except WeightsError as error:
        print(f"note: {error.found}; the cross-check uses random weights, which is no FID")
        name, space = "fd_random", plugins.make("features", "inception-random", weights=locator)
    rows = cross_check(train.values, images, space, where)
    print_columns(
        [("", "theirs", "ours", "relative difference", "")]
        + [
            (
                f"{name}, {row.package}",
                f"{row.theirs:.8g}",
                f"{row.ours:.8g}",
                f"{row.difference:+.1e}",
                row.remark,
            )
            for row in rows
        ]
    )
    return [
        {"package": r.package, "score": name, "theirs": r.theirs, "ours": r.ours, "remark": r.remark}
        for r in rows
    ]
