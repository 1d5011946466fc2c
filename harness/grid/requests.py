"""What a grid asks for: one request for each of its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..cell.spec import RunRequest
from ..data.roots import root_of
from ..errors import SpecError
from ..running.resolve import model_class
from ..running.settings import preset_settings
from .definition import Grid, Point
from .planned import GridOptions


class GridRequest(NamedTuple):
    """One cell of a grid, before anybody looked at raw files.

    Attributes:
        point: Where it is in the grid.
        row: The row of an ablation; None outside one.
        switches: What that row sets.
    """

    point: Point
    row: str | None
    switches: Mapping[str, Any]
    request: RunRequest


def requests_of(grid: Grid, options: GridOptions | None = None) -> Iterator[GridRequest]:
    """Every cell of a grid, in its order.

    Args:
        grid: The experiment.
        options: What the user added.

    Raises:
        SpecError: A name or a setting that is not known, or settings that clash.
        PluginError: A model can't be loaded.
    """
    for point in grid.points():
        yield from requests_at(grid, point, options or GridOptions())


def requests_at(grid: Grid, point: Point, options: GridOptions) -> Iterator[GridRequest]:
    """The cells at one point: one, or as many as the model's ablation has rows.

    Raises:
        BenchError: As ``requests_of``.
    """
    model = model_class(point.model)
    settings: dict[str, Any] = {}
    for presets, own in ((grid.presets, grid.settings_of(point)), (options.presets, options.settings)):
        for preset in presets:
            settings |= preset_settings(preset, point.model, model, point.resolution)
        settings |= own
    rows: list[tuple[str | None, Mapping[str, Any]]] = [(None, {})]
    if grid.ablation:
        rows = list(model.ablation.items())
    if not rows:
        raise SpecError(f"model {point.model} declares no ablation", needed="a model with rows in `ablation`")
    for row, switches in rows:
        if clash := sorted(set(settings) & set(switches)):
            raise SpecError(
                f"{', '.join(clash)} is set for all cells, and by the ablation row {row!r}",
                needed="settings that no row sets",
                hint=f"bench show model {point.model}",
            )
        request = RunRequest(
            **point._asdict(),
            settings={**settings, **switches},
            data_root=root_of(point.dataset, options.roots),
            source=grid.source,
            target=grid.target,
        )
        yield GridRequest(point, row, switches, request)
