"""Which figures there are, and of which runs each is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch

from ..api import Model, Translator
from ..cell.spec import label_of
from ..errors import SpecError
from ..grid.definition import Grid
from ..running.images import CellImages
from ..running.model import load_model
from ..scoring.cache import FeatureCache
from ..scoring.spaces.radiomics.space import NAMES, radiomic_features
from ..tables.asked import Row, rows_of, terms_of
from ..tables.ranking import ranking
from ..tables.survey import Installed, Result, Which
from .figures import (
    curves_figure,
    explained,
    explanation_figure,
    logs_of,
    samples_figure,
    save_figure,
    translations,
)
from .gallery import samples_of, shown_runs
from .radiomics import radiomics_figure
from .ranks import ranks_figure
from .utility import bars_figure, has_utility, segmentations

SAMPLES_OF = {"5": "table2", "6": "table3"}
"""The published figures of samples show the grids of these tables."""
COMPARED = 200
"""Samples and real images of a figure of features: enough for their means."""
MOST_EXPLAINED = 8
"""Rows of a figure of what models do with real images; more would not fit a page."""


@dataclass(frozen=True)
class Selection:
    """Of which runs to draw a figure; what is None is not asked about."""

    models: tuple[str, ...] | None = None
    datasets: tuple[str, ...] | None = None
    resolution: int | None = None

    def holds(self, result: Result) -> bool:
        """Whether a result is one of them."""
        spec = result.spec
        return (
            (self.models is None or spec.model.name in self.models)
            and (self.datasets is None or spec.dataset.name in self.datasets)
            and self.resolution in (None, spec.resolution)
        )


@dataclass
class Drawing:
    """Draws figures of finished runs.

    Attributes:
        results: The runs to choose from.
        folder: Where figures go.
        images: Opens the images of a run.
        device: Where images are made.
        problems: Runs that could not be shown, one sentence each; grows with every figure.
    """

    results: Sequence[Result]
    folder: Path
    images: CellImages
    device: torch.device
    problems: list[str] = field(default_factory=list)

    def samples(self, stem: str, grid: Grid, count: int, first_seed: int) -> list[Path]:
        """One figure for each data set and resolution of a grid: a row of real images, a row for each model.

        Raises:
            SpecError: No run of the grid is complete.
        """
        rows, terms = rows_of(grid), terms_of(grid)
        paths = []
        labels = [label_of(dataset, grid.pair) for dataset in grid.datasets]
        for label, resolution in product(labels, grid.resolutions):
            asked = terms.get((label, resolution), ())
            runs = shown_runs(self.results, rows, label, resolution, asked)
            if not runs:
                continue
            shown, problems = samples_of(runs, self.device, count, self.images, first_seed=first_seed)
            self.problems += problems
            some = list(runs.values())
            task = self.images(some[0].spec)
            real = task.real_beside(count, first_seed)
            source = {} if real.source is None else {"source": real.source}
            title = f"{label}, {resolution} px, best networks after {_lengths(some)} epochs"
            made = {name: outputs.pictures for name, outputs in shown.items()}
            figure = samples_figure({**source, "real": task.as_outputs(real).pictures, **made}, title)
            paths += save_figure(figure, self._stem(stem, label, resolution))
        return paths or _nothing(", ".join(grid.datasets))

    def explanations(self, name: str, chosen: Selection, count: int, first: int) -> list[Path]:
        """One figure for each model and data set where the model has something to show of real images.

        Args:
            name: ``7`` for what a model says of itself, ``paired`` for translations.
            chosen: Of which runs.
            count: Rows, ``MOST_EXPLAINED`` at most.
            first: Number of the first real image.

        Raises:
            SpecError: No model that was run has anything to show.
        """
        kind = EXPLAINED[name]
        paths = []
        for model, label, resolution in self._places(chosen):
            alone = [Row(model, model, {})]
            for run in shown_runs(self.results, alone, label, resolution).values():
                network = load_model(run.folder, self.device, "best")
                if not kind.applies(network):
                    continue
                task = self.images(run.spec)
                shown = task.real_beside(min(count, MOST_EXPLAINED), first)
                if pictures := kind.draw(network, task, shown, seed=first):
                    figure = explanation_figure(pictures, run.folder.path.name)
                    paths += save_figure(figure, self._stem(f"{kind.stem}-{model}", label, resolution))
        return paths or _nothing(kind.models)

    def curves(self, chosen: Selection) -> list[Path]:
        """Scores and losses of all runs, one figure for each data set and resolution.

        Raises:
            SpecError: No run has a log.
        """
        paths = []
        for label, resolution in dict.fromkeys(place[1:] for place in self._places(chosen)):
            runs = [
                result
                for result in self.results
                if (result.spec.dataset.label, result.spec.resolution) == (label, resolution)
                and (chosen.models is None or result.spec.model.name in chosen.models)
            ]
            logs, problems = logs_of(runs)
            self.problems += problems
            if figure := curves_figure(logs, f"{label}, {resolution} px"):
                paths += save_figure(figure, self._stem("curves", label, resolution))
        return paths or _nothing("a log")

    def radiomics(self, chosen: Selection, first_seed: int) -> list[Path]:
        """The radiomic features that differ most, one figure for each data set and resolution.

        Raises:
            SpecError: No run is complete.
        """
        paths = []
        for label, resolution in dict.fromkeys(place[1:] for place in self._places(chosen)):
            models = sorted({place[0] for place in self._places(chosen) if place[1:] == (label, resolution)})
            rows = [Row(model, model, {}) for model in models]
            runs = shown_runs(self.results, rows, label, resolution)
            made, problems = samples_of(runs, self.device, COMPARED, self.images, first_seed=first_seed)
            self.problems += problems
            if not made:
                continue
            real = self.images(next(iter(runs.values())).spec).real_beside(COMPARED, first_seed).images
            features = {name: radiomic_features(outputs.images) for name, outputs in made.items()}
            sizes = " or ".join(str(size) for size in sorted({len(one.images) for one in made.values()}))
            title = f"{label}, {resolution} px: {len(real)} real images, {sizes} samples of a model"
            figure = radiomics_figure(NAMES, radiomic_features(np.asarray(real)), features, title)
            paths += save_figure(figure, self._stem("radiomics", label, resolution))
        return paths or _nothing("any model")

    def ranks(self, chosen: Selection, score: str, which: Which) -> list[Path]:
        """The critical-difference diagram of the chosen runs by one score.

        Raises:
            SpecError: Too few models, sets or seeds for a ranking.
        """
        runs = [result for result in self.results if chosen.holds(result)]
        ranked = ranking(runs, score, Installed(), which)
        self.problems += ranked.notes
        return save_figure(ranks_figure(ranked), self.folder / f"ranks-{score.replace('/', '-')}")

    def utility(self, chosen: Selection) -> list[Path]:
        """What images are good for: bars of all models of a data set, and what networks see for each.

        Raises:
            SpecError: No run was scored by utility.
        """
        scored = [result for result in has_utility(self.results) if chosen.holds(result)]
        paths = []
        for label, resolution in sorted({(one.spec.dataset.label, one.spec.resolution) for one in scored}):
            rows = [Row(model, model, {}) for model in sorted({one.spec.model.name for one in scored})]
            runs = shown_runs(scored, rows, label, resolution)
            title = f"{label}, {resolution} px: Dice on held-out patients"
            paths += save_figure(bars_figure(runs, title), self._stem("utility", label, resolution))
            for name, run in runs.items():
                model, task = load_model(run.folder, self.device, "best"), self.images(run.spec)
                cache = FeatureCache(self.images.cache / "features")
                seen = segmentations(task, task.generate(model), cache, self.device)
                figure = samples_figure(seen, run.folder.path.name)
                paths += save_figure(figure, self._stem(f"utility-{name}", label, resolution))
        return paths or _nothing("any model that was scored by utility")

    def _stem(self, name: str, label: str, resolution: int) -> Path:
        return self.folder / f"{name}-{label.replace(' ', '-')}-{resolution}"

    def _places(self, chosen: Selection) -> list[tuple[str, str, int]]:
        """Model, label of the data set and resolution of the chosen runs."""
        places = {
            (result.spec.model.name, result.spec.dataset.label, result.spec.resolution)
            for result in self.results
            if chosen.holds(result)
        }
        return sorted(places)


class Explained(NamedTuple):
    """A figure of what models do with real images.

    Attributes:
        stem: What its files are called.
        models: Which models have it.
        applies: Whether this one has.
        draw: What there is to see, by title.
    """

    stem: str
    models: str
    applies: Callable[[Any], bool]
    draw: Callable[..., Mapping[str, Any]]


EXPLAINED = {
    "7": Explained(
        "figure7",
        "a model that explains itself",
        lambda model: type(model).explain is not Model.explain,
        explained,
    ),
    "paired": Explained("paired", "a translator", lambda model: isinstance(model, Translator), translations),
}


def has_modalities(result: Result, source: str | None, target: str | None) -> bool:
    """Whether a result translates between the named modalities; any will do where none is named."""
    pair = result.spec.dataset.pair
    if pair is None:
        return source is None and target is None
    return source in (None, pair.source) and target in (None, pair.target)


def _lengths(runs: Sequence[Result]) -> str:
    return " or ".join(str(length) for length in sorted({run.spec.protocol.epochs for run in runs}))


def _nothing(what: str) -> NoReturn:
    raise SpecError(
        f"there is nothing to draw: no complete run of {what}",
        needed="complete runs",
        hint="bench grid; or --results DIR, where the runs are elsewhere",
    )
