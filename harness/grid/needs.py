"""What cells need of the executor that computes them: settings of its own, which no result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api import Executor, PluginConfig
from ..plugins import unknown_name
from ..values import read_value, validate
from .definition import Grid, Point


@dataclass(frozen=True)
class Needs:
    """An executor's settings for each cell of a grid.

    What comes later wins: the executor's defaults, the user's file, the grid's ``[[resources]]``, the
    command line.

    Attributes:
        kind: The executor.
        name: Its registered name.
        user: What the user's file sets.
        given: What the command line sets.
    """

    kind: type[Executor]
    name: str
    user: Mapping[str, Any]
    given: Mapping[str, Any]

    def general(self) -> PluginConfig:
        """What the executor itself is made with.

        Raises:
            SpecError: There is no such setting, or a value is out of range.
        """
        return self._config({})

    def of(self, grid: Grid, point: Point) -> PluginConfig:
        """What one cell needs.

        Raises:
            SpecError: As ``general``, or two entries of ``resources`` disagree.
        """
        return self._config(grid.resources_of(self.name, point))

    def _config(self, of_grid: Mapping[str, Any]) -> PluginConfig:
        settings = {**self.user, **of_grid, **self.given}
        known = self.kind.Config.model_fields
        for name in settings:
            if name not in known:
                raise unknown_name("setting", name, known, hint=f"bench show executor {self.name}")
        values = {name: read_value(value) for name, value in settings.items()}
        return validate(self.kind.Config, values, f"executor {self.name}")
