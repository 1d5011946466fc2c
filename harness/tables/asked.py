"""What the grid of a table asks for: its rows, and the terms on which its cells are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cell.spec import label_of
from ..errors import BenchError, PluginError
from ..grid.definition import Grid
from ..grid.planned import GridOptions
from .remembered import remembered
from .survey import Result


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a table.

    Attributes:
        label: What it is called.
        model: The plugin.
        switches: Settings by which its records are told from those of other rows.
    """

    label: str
    model: str
    switches: Mapping[str, Any]

    def owns(self, result: Result) -> bool:
        """Whether a result belongs in this row."""
        config = result.spec.model.config
        return result.spec.model.name == self.model and all(
            config.get(name) == value for name, value in self.switches.items()
        )


def rows_of(grid: Grid) -> list[Row]:
    """The rows of a grid's table: its models, or the rows of their ablations."""
    if not grid.ablation:
        return [Row(model, model, _asked_for(grid, model)) for model in grid.models]
    rows = []
    for name in grid.models:
        for label, switches in remembered("ablation", {"model": name}, lambda: _ablation(name)).items():  # noqa: B023
            label = f"{name}: {label}" if len(grid.models) > 1 else label
            rows.append(Row(label, name, switches))
    return rows


def _ablation(name: str) -> dict[str, dict[str, Any]]:
    """The rows of a model's ablation, each with all that any of them switches."""
    from ..running.resolve import model_class

    model = model_class(name)
    switched = {key for switches in model.ablation.values() for key in switches}
    configs = {
        label: model.Config(**switches).model_dump(mode="json") for label, switches in model.ablation.items()
    }
    return {label: {key: config[key] for key in sorted(switched)} for label, config in configs.items()}


def _asked_for(grid: Grid, model: str) -> dict[str, Any]:
    """The model's settings that a grid names for all of its data sets and resolutions."""
    found: dict[str, Any] = remembered(
        "settings", {"grid": _plain(grid), "model": model}, lambda: _find_asked_for(grid, model)
    )
    return found


def _find_asked_for(grid: Grid, model: str) -> dict[str, Any]:
    from ..grid.requests import requests_at
    from ..running.resolve import complete

    configs = []
    for point in grid.points():
        if (point.model, point.seed) == (model, grid.seeds[0]):
            try:
                completed = [complete(asked.request) for asked in requests_at(grid, point, GridOptions())]
            except PluginError:
                return {}  # a record of a plugin that is not installed is still a record
            for one in completed:
                config = one.model_config.model_dump(mode="json")
                configs.append({key: config[key] for key in one.named.model})
    first, *others = configs
    return {key: value for key, value in first.items() if all(o.get(key) == value for o in others)}


def terms_of(grid: Grid) -> Mapping[tuple[str, int], set[str]]:
    """The terms (``RunSpec.terms``) that a grid asks for, by its data sets' labels and resolutions."""
    found: dict[tuple[str, int], set[str]] = {}
    for label, resolution, terms in remembered("terms", {"grid": _plain(grid)}, lambda: _find_terms(grid)):
        found.setdefault((label, resolution), set()).add(terms)
    return found


def _find_terms(grid: Grid) -> list[tuple[str, int, str]]:
    from ..grid.requests import requests_at
    from ..running.resolve import complete

    found: dict[tuple[str, int, str], None] = {}
    for point in grid.points():
        label = label_of(point.dataset, grid.pair)
        try:
            for asked in requests_at(grid, point, GridOptions()):
                found[label, point.resolution, complete(asked.request).terms] = None
        except BenchError:
            continue  # as above
    return list(found)


def _plain(grid: Grid) -> dict[str, Any]:
    return grid.model_dump(mode="json")
