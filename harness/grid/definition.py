"""Grids as data: which cells an experiment consists of, read from a TOML file.

A grid is a product of models, data sets, resolutions and seeds, with settings for all cells and overrides
for some. Nothing here needs a plugin: what the names stand for is looked up in ``harness.grid.plan``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..api import Pair
from ..cell.spec import pair_of
from ..errors import SpecError
from ..limits import check_regular
from ..plugins import unknown_name


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
Numbers = Annotated[tuple[int, ...], BeforeValidator(_several)]


class Point(NamedTuple):
    """One place in a grid: a cell before its settings."""

    model: str
    dataset: str
    resolution: int
    seed: int


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Override(_Section):
    """Settings for some of the cells: those that match every name given here.

    Attributes:
        model: Models it is for; empty for all. Likewise ``dataset`` and ``resolution``.
        settings: What to set, as with ``--set``.
    """

    model: Names = ()
    dataset: Names = ()
    resolution: Numbers = ()
    settings: dict[str, Any]

    def matches(self, point: Point) -> bool:
        """Whether it is for this cell."""
        return (
            (not self.model or point.model in self.model)
            and (not self.dataset or point.dataset in self.dataset)
            and (not self.resolution or point.resolution in self.resolution)
        )


class ResourcesFor(Override):
    """What some of the cells need of whatever computes them. It is no part of what they are.

    Attributes:
        executor: Executors it is for; empty for all.
        settings: What to set, as with ``--set-executor``.
    """

    executor: Names = ()


class TableOf(_Section):
    """How the grid's results are shown.

    Attributes:
        published: Printed number of the published table, such as ``II``.
        scores: Scores that are shown when the user names none.
    """

    published: str = ""
    scores: Names = ("fid",)


class Grid(_Section):
    """An experiment of many cells.

    Attributes:
        name: Name of the file, without its ending.
        title: One line.
        source: Modality that translators are given; None outside of a paired task.
        target: Modality that they make of it.
        ablation: Whether each model is replaced by the rows of its ablation.
        presets: Applied before ``settings``, which stand before ``overrides``.
    """

    name: str
    title: str = ""
    models: Names = Field(min_length=1)
    datasets: Names = Field(min_length=1)
    resolutions: Numbers = Field(min_length=1)
    seeds: Numbers = Field(default=(0,), min_length=1)
    source: str | None = None
    target: str | None = None
    ablation: bool = False
    presets: Names = ()
    settings: dict[str, Any] = {}
    overrides: tuple[Override, ...] = ()
    resources: tuple[ResourcesFor, ...] = ()
    table: TableOf = TableOf()

    def points(self) -> Iterator[Point]:
        """Every cell, seed by seed: a grid that is cut short has all its models, with fewer seeds."""
        for seed, resolution, dataset, model in product(
            self.seeds, self.resolutions, self.datasets, self.models
        ):
            yield Point(model, dataset, resolution, seed)

    @property
    def pair(self) -> Pair | None:
        """The modalities of a paired task.

        Raises:
            SpecError: One of the two is missing.
        """
        return pair_of(self.source, self.target)

    def settings_of(self, point: Point) -> dict[str, Any]:
        """The settings of one cell.

        Raises:
            SpecError: Two overrides disagree about it.
        """
        return {**self.settings, **self._chosen("overrides", self.overrides, point)}

    def resources_of(self, executor: str, point: Point) -> dict[str, Any]:
        """The settings of an executor for one cell.

        Raises:
            SpecError: Two entries of ``resources`` disagree about it.
        """
        own = [one for one in self.resources if not one.executor or executor in one.executor]
        return self._chosen("resources", own, point)

    def _chosen(self, what: str, entries: Iterable[Override], point: Point) -> dict[str, Any]:
        """The settings of all entries that are for a cell."""
        chosen: dict[str, Any] = {}
        for entry in entries:
            if not entry.matches(point):
                continue
            for name, value in entry.settings.items():
                if name in chosen and chosen[name] != value:
                    raise SpecError(
                        f"two {what} of grid {self.name} clash: {name} = {chosen[name]!r} and {value!r} "
                        f"for {point.model} on {point.dataset} at {point.resolution} px",
                        needed="one value for each setting of a cell",
                        hint="narrow one of the two with model, dataset or resolution",
                    )
                chosen[name] = value
        return chosen

    def narrowed(self, **axes: tuple[Any, ...] | str | None) -> Grid:
        """The same grid with other models, data sets, resolutions, seeds or modalities, where given.

        Raises:
            SpecError: An axis is empty or holds a name twice.
        """
        return _validated(
            {**self.model_dump(), **{k: v for k, v in axes.items() if v is not None}}, self.name
        )


def shipped() -> list[str]:
    """Names of the grids that come with the benchmark."""
    return sorted(
        path.name.removesuffix(".toml")
        for path in (files(__package__) / "shipped").iterdir()
        if path.name.endswith(".toml")
    )


def load_grid(name: str) -> Grid:
    """Read a grid by the name of a shipped one, or from a TOML file.

    Raises:
        SpecError: There is no such grid, or its file can't be understood.
    """
    path = Path(name)
    if name in shipped():
        text = (files(__package__) / "shipped" / f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml" or os.path.isfile(path):
        if not os.path.lexists(path):
            raise SpecError(
                f"there is no file {path}",
                needed=f"a grid's TOML file, or a grid that is shipped: {', '.join(shipped())}",
                hint="bench table FILE.toml; the tutorial (docs/tutorial.md) has such a file to copy",
            )
        try:
            check_regular(path, SpecError)
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{path} can't be read: {error}", needed="a grid's TOML file") from error
    else:
        raise unknown_name("grid", name, shipped(), hint="a shipped name, or a file: bench grid mine.toml")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path} is no TOML: {error}", needed="a grid's TOML file") from error
    return _validated({**content, "name": path.stem}, name)


def _validated(content: Mapping[str, Any], name: str) -> Grid:
    try:
        grid = Grid.model_validate(content)
    except ValidationError as error:
        raise SpecError(
            f"grid {name}: " + "; ".join(_words(problem) for problem in error.errors()),
            needed=f"keys {', '.join(key for key in Grid.model_fields if key != 'name')}",
            hint="bench grid --help",
        ) from error
    for axis in ("models", "datasets", "resolutions", "seeds"):
        values = getattr(grid, axis)
        if len(set(values)) < len(values):
            raise SpecError(f"grid {name} names one of its {axis} twice: {', '.join(map(str, values))}")
    return grid


def _words(problem: Any) -> str:
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where}"
    if problem["type"] == "too_short":
        return f"{where} is empty, so there is no cell"
    return f"{where}: {problem['msg']}"
