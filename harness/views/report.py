"""One HTML file about a results folder, which needs neither a network nor anything beside it.

Without ``real`` images are samples alone: a report is passed on more easily than patient data may be.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from ..cell.records import Record
from ..cell.spec import RunSpec
from ..data.pictures import mosaic
from ..errors import BenchError, DataError
from ..grid.definition import Grid, load_grid, shipped
from ..running.images import CellImages
from ..running.model import load_model
from ..tables.asked import Row
from ..tables.scores import score_sheet
from ..tables.sheets import render
from ..tables.survey import Installed, Result, Survey
from ..tasks import Task
from .figures import curves_figure, explanation_figure, logs_of, translations
from .gallery import samples_of, shown_runs
from .inline import drawn, picture, plotted
from .summary import verdicts
from .utility import bars_figure, has_utility

SIDE = 6
"""Samples are shown in rows of so many."""
SUSPECTS = 8
NEIGHBOUR_SAMPLES = 256


def make_report(found: Survey, folder: Path, device: torch.device, *, real: CellImages | None = None) -> str:
    """The report as HTML.

    Args:
        found: The records.
        folder: The results folder, for the heading.
        device: Where samples are made.
        real: Opens real images, to show them too: the nearest neighbours of the most suspicious samples.
            None shows none.
    """
    results = sorted(found.results, key=lambda result: result.folder.path.name)
    problems = list(found.problems)
    pictures, pairs, neighbours = [], [], []
    opened = real or _unseen
    complete = [result for result in results if result.record.status == "complete"]
    # Any of its networks: of two, an error says which one is damaged.
    there = [result for result in complete if any(result.folder.path.glob("best*"))]
    if missing := [result.folder.path.name for result in complete if result not in there]:
        more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
        problems.append(
            f"samples of {len(missing)} cells, whose networks are not here: {', '.join(missing[:2])}{more}"
        )
    for result in there:
        count = NEIGHBOUR_SAMPLES if real else SIDE * SIDE
        made, complaints = samples_of({result.folder.path.name: result}, device, count, opened)
        problems += complaints
        for name, outputs in made.items():
            spec = result.spec
            title = f"{spec.model.name} on {spec.dataset.label}, {spec.resolution} px, seed {spec.seed}"
            pictures.append((name, title, picture(mosaic(outputs.pictures[: SIDE * SIDE], SIDE))))
            if real:
                try:
                    task = opened(spec)
                    train = np.asarray(task.train.images)
                    neighbours.append((name, picture(nearest_pairs(outputs.images, train))))
                    shown = task.real_beside(SIDE, 0)
                    if shown.source is not None:
                        model: Any = load_model(result.folder, device, "best")
                        figure = explanation_figure(translations(model, task, shown), name)
                        pairs.append((name, drawn(figure)))
                except BenchError as error:
                    problems.append(f"{name}: {error.found}")
    curves = _curves(results, problems)
    useful = _utility(results)
    chapters = (("Utility", useful), ("Translations", pairs), ("Neighbours", real))
    optional = [name for name, content in chapters if content]
    sections = ["Summary", "Samples", *optional, "Curves", "Tables", "Cells", "Protocol"]
    # Everything that comes from records or plugins is text of strangers: escaped, unless rendered by us.
    environment = Environment(
        loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html").render(
        title="Medical image synthesis: results",
        folder=str(folder),
        with_real=real is not None,
        sections=[(name, name.lower()) for name in sections],
        problems=problems,
        verdicts=verdicts(results),
        tables=_tables(found),
        scores=sorted({score for result in results for score in result.record.scores["best"]}),
        runs=[_row(result, Installed()) for result in results],
        curves=curves,
        samples=pictures,
        utility=useful,
        translations=pairs,
        neighbours=neighbours,
        protocols=_protocols(results),
    )


def _unseen(spec: RunSpec) -> Task:
    raise DataError("a translation shows a patient, and is left out", hint="--with-real-images")


def nearest_pairs(samples: NDArray[np.uint8], train: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The samples that are nearest to a training image, above those images: (C, height, width).

    Args:
        samples: uint8 (n, C, H, W).
        train: uint8 (m, 1 or C, H, W).
    """
    greys = [
        torch.from_numpy(side.mean(axis=1, dtype=np.float32).reshape(len(side), -1))
        for side in (samples, train)
    ]
    distances = torch.cdist(greys[0], greys[1], p=1).numpy()
    suspects = np.argsort(distances.min(axis=1), kind="stable")[:SUSPECTS]
    neighbours = np.broadcast_to(train, (len(train), *samples.shape[1:]))[distances[suspects].argmin(axis=1)]
    return mosaic(np.concatenate([samples[suspects], neighbours]), len(suspects))


def _tables(found: Survey) -> list[Markup]:
    """The grids' tables, as far as a cell of them is done, in every score that they have."""
    tables = []
    for grid in _grids(found.results):
        here = [
            result
            for result in found.results
            if result.spec.model.name in grid.models and result.spec.resolution in grid.resolutions
        ]
        installed = Installed()
        given = {score for result in here for score in result.record.scores["best"] if "/" not in score}
        scores = [score for score in sorted(given) if installed.is_score(score)]
        parts = {(result.spec.dataset.pair, result.spec.dataset.name) for result in here}
        for pair in sorted({pair for pair, _ in parts}, key=str):
            datasets = tuple(sorted(dataset for other, dataset in parts if other == pair))
            source, target = pair or (None, None)
            narrowed = grid.narrowed(datasets=datasets, source=source, target=target)
            if scores:
                sheet = score_sheet(narrowed, Survey(found.results), scores=scores)
                tables.append(Markup(render(sheet, "html")))
    return tables


def _grids(results: Sequence[Result]) -> list[Grid]:
    """The shipped grids, and one of all models for the resolutions that none of those has."""
    grids = [load_grid(name) for name in shipped()]
    known = {resolution for grid in grids for resolution in grid.resolutions}
    others = [result.spec for result in results if result.spec.resolution not in known]
    for resolution in sorted({spec.resolution for spec in others}):
        own = [spec for spec in others if spec.resolution == resolution]
        grids.append(
            Grid(
                name=f"results-{resolution}",
                title=f"All models at {resolution} px",
                models=tuple(sorted({spec.model.name for spec in own})),
                datasets=tuple(sorted({spec.dataset.name for spec in own})),
                resolutions=(resolution,),
            )
        )
    return grids


def _row(result: Result, installed: Installed) -> dict[str, Any]:
    record = result.record
    stale = {
        why
        for score in record.scores["best"]
        if installed.is_score(score) and (why := installed.why_stale(result, score))
    }
    return {
        "name": result.folder.path.name,
        "status": record.status,
        "epochs": record.epochs_done,
        "best_epoch": "" if record.best_epoch is None else record.best_epoch,
        "n_real": record.n_real,
        "n_generated": record.n_generated,
        "scores": record.scores["best"],
        "hours": (record.timing["train"] + record.timing["score"]) / 3600,
        "caveats": "; ".join(record.caveats),
        "stale": "; ".join(sorted(stale)),
    }


def _curves(results: Sequence[Result], problems: list[str]) -> list[tuple[str, str]]:
    curves = []
    for place in sorted({(result.spec.dataset.label, result.spec.resolution) for result in results}):
        here = [r for r in results if (r.spec.dataset.label, r.spec.resolution) == place]
        name = f"{place[0]}, {place[1]} px"
        logs, complaints = logs_of(here)
        if complaints:
            more = f"; so are {len(complaints) - 1} more logs" if len(complaints) > 1 else ""
            problems.append(f"{complaints[0]}{more}")
        if figure := curves_figure(logs, name):
            curves.append((name, plotted(figure)))
    return curves


def _utility(results: Sequence[Result]) -> list[tuple[str, str]]:
    """What is learnt from samples, one figure for each data set and resolution; a run of each model."""
    figures = []
    scored = has_utility(results)
    for label, resolution in sorted({(one.spec.dataset.label, one.spec.resolution) for one in scored}):
        rows = [Row(model, model, {}) for model in sorted({one.spec.model.name for one in scored})]
        name = f"{label}, {resolution} px"
        figures.append((name, plotted(bars_figure(shown_runs(scored, rows, label, resolution), name))))
    return figures


def _protocols(results: Sequence[Result]) -> list[tuple[dict[str, str], int]]:
    """Each distinct set of conditions and versions, with the number of its cells."""
    counts: Counter[str] = Counter()
    for result in results:
        record, spec, part = result.record, result.spec, result.spec.dataset
        content = {
            "dataset": f"{part.label} version {part.version}, {part.fingerprint[:16]}",
            "resolution": f"{spec.resolution} px",
            **{name: _worded(value) for name, value in spec.protocol.model_dump(mode="json").items()},
            "versions of scores": _listed(record.score_versions["metrics"]),
            **{
                f"features {name}": _listed(identity)
                for name, identity in record.score_versions["features"].items()
            },
            "packages": _listed(record.versions),
            "plugins": _distributions(record),
            "raw files read with": _listed(record.dataset.get("libraries")),
            "device": _listed(record.device),
            "source commit": record.git or "not from a checkout",
        }
        counts[json.dumps(content)] += 1
    return [(json.loads(content), count) for content, count in counts.most_common()]


def _worded(value: Any) -> str:
    """A setting, for people who read no Python."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not set" if value is None else str(value)


def _listed(facts: Mapping[str, Any] | None) -> str:
    return "not recorded" if facts is None else ", ".join(f"{name} {value}" for name, value in facts.items())


def _distributions(record: Record) -> str:
    """Everything installed that brought a plugin which took part."""
    return ", ".join(sorted({brought for kind in record.plugins.values() for brought in kind.values()}))
