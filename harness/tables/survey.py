"""What stands in a results folder: every record, with what keeps it from being compared."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from .. import plugins
from ..api import Goal
from ..cell.records import Record, RunFolder, Store
from ..cell.spec import RunSpec
from ..errors import BenchError, PluginError, SpecError
from ..plugins import Kind, Registry
from .remembered import remembered

Which = Literal["best", "last", "selected"]
T = TypeVar("T")
Conditions = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, eq=False)
class Result:
    """One record."""

    folder: RunFolder
    record: Record

    @cached_property
    def spec(self) -> RunSpec:
        """The cell."""
        return self.record.spec

    @cached_property
    def keeps_its_identity(self) -> bool:
        """Whether this version of the protocol gives the cell the identity that it was computed under."""
        return self.spec.identity == self.record.identity


@dataclass(frozen=True)
class Survey:
    """All results of a folder.

    Attributes:
        results: One for each identity; a copy of a run folder counts once.
        problems: Records that can't be read, and copies, each in one sentence.
    """

    results: list[Result]
    problems: list[str] = field(default_factory=list)


def survey(store: Store) -> Survey:
    """Read every record; one that is damaged costs itself and is named."""
    with collecting_nothing():
        return _survey(store)


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """Don't look for garbage in the context: thousands of records are made there, and all are kept."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _survey(store: Store) -> Survey:
    results: dict[str, Result] = {}
    problems = []
    for folder in store.folders():
        try:
            record = folder.read_record()
        except SpecError as error:
            problems.append(f"{error.found}; its cell counts as not done")
            continue
        if record is None:
            continue
        if not _is_at_home(folder, record):
            problems.append(
                f"{folder.record} is of another cell, {record.spec.folder_name}; its cell counts as not done"
            )
            continue
        if twin := results.get(record.identity):
            problems.append(f"{folder.path} is a copy of {twin.folder.path} and counts once")
            continue
        results[record.identity] = Result(folder, record)
    return Survey(list(results.values()), problems)


def _is_at_home(folder: RunFolder, record: Record) -> bool:
    """Whether a record is of the cell that its folder was made for; a whole folder may be renamed."""
    return folder.path.name == record.spec.folder_name or folder.holds(record.spec)


class Installed:
    """The versions that are installed, and what the registered scores mean."""

    def __init__(self) -> None:
        self.registry = plugins.current()
        self._version = cache(self._find_version)
        # Asked of every record, several times each.
        self.why_stale = cache(self._why_stale)
        self.metric_of = cache(self._metric_of)

    def _why_stale(self, result: Result, score: str) -> str:
        """What makes a score of other versions than those installed; empty where nothing does."""
        record, spec = result.record, result.spec
        if not result.keeps_its_identity:
            return "another version of the protocol"
        metric = self.metric_of(score)
        measured = record.score_versions["metrics"].get(metric)
        parts: list[tuple[Kind, str, Any]] = [
            ("models", spec.model.name, spec.model.version),
            ("datasets", spec.dataset.name, spec.dataset.version),
        ]
        if measured is not None:
            parts.append(("metrics", metric, measured))
        if (space := self.features_of(result, score)) is not None:
            parts.append(("features", self._metrics()[metric].needs, int(space["version"])))
        for kind, name, version in parts:
            installed = self._version(kind, name)
            if installed != version:
                here = "is not installed" if installed is None else f"is version {installed} here"
                return f"made with version {version} of {name}, which {here}"
        return ""

    def features_of(self, result: Result, score: str) -> dict[str, str] | None:
        """What names the features that a score was computed in; None for one of images."""
        space = self._metrics()[self.metric_of(score)].needs
        found: dict[str, str] | None = result.record.score_versions["features"].get(space)
        return found

    def space_of(self, metric: str) -> str:
        """Name of the feature space that a metric is computed in."""
        return self._metrics()[metric].needs

    def _metric_of(self, score: str) -> str:
        """Name of the metric that gives a score, or a part of one: psnr/brain is a part of psnr.

        Raises:
            SpecError: No metric does.
        """
        for name, metric in self._metrics().items():
            if _whole(score) in metric.goals:
                return name
        known = sorted(score for metric in self._metrics().values() for score in metric.goals)
        raise SpecError(f"no metric gives {score!r}", needed=f"one of {', '.join(known)}")

    def is_score(self, name: str) -> bool:
        """Whether a name is a score that models are judged by, and not context of one."""
        return any(_whole(name) in metric.goals for metric in self._metrics().values())

    def goal(self, score: str) -> Goal:
        """Whether lower or higher is better."""
        return self._metrics()[self.metric_of(score)].goals[_whole(score)]

    def scores(self, names: Iterable[str]) -> list[str]:
        """Names of scores, where each name is a score or a metric that stands for all of its scores."""
        found: dict[str, None] = {}
        for name in names:
            metric = self._metrics().get(name)
            if metric is None:
                self.metric_of(name)
            found |= dict.fromkeys([name] if metric is None else metric.goals)
        return list(found)

    def _metrics(self) -> Mapping[str, _Judge]:
        return self._all_metrics(self.registry)

    @staticmethod
    @cache
    def _all_metrics(registry: Registry) -> Mapping[str, _Judge]:
        def find() -> dict[str, tuple[str, dict[str, Goal]]]:
            metrics = {}
            for entry in registry.entries("metrics"):
                try:
                    metric = registry.make("metrics", entry.name)
                except PluginError:
                    continue  # a broken plugin takes its own scores away and no others
                metrics[entry.name] = metric.needs, dict(metric.goals)
            return metrics

        return {name: _Judge(*facts) for name, facts in remembered("metrics", {}, find).items()}

    def _find_version(self, kind: Kind, name: str) -> int | None:
        def find() -> int | None:
            try:
                version: int = self.registry.load(kind, name).version
            except BenchError:
                return None
            return version

        version: int | None = remembered("version", {"kind": kind, "name": name}, find)
        return version


class _Judge(NamedTuple):
    """What tables need to know of a metric: which features it needs, and the goal of each of its scores."""

    needs: str
    goals: Mapping[str, Goal]


def _whole(score: str) -> str:
    return score.partition("/")[0]


def matching(results: Iterable[Result], where: Mapping[str, Any]) -> Iterator[Result]:
    """Results whose settings are as asked for, by the names of ``--set``.

    Raises:
        SpecError: No result has a setting of that name.
    """
    if not where:
        yield from results
        return
    results = list(results)
    known = {name for result in results for name in result.spec.settings}
    if unknown := sorted(set(where) - known):
        raise SpecError(
            f"no record has a setting {', '.join(unknown)}",
            needed=f"some of {', '.join(sorted(known)) or '(no record yet)'}",
        )
    wanted = {name: _parsed(value) for name, value in where.items()}
    for result in results:
        settings = result.spec.settings
        if all(name in settings and settings[name] == value for name, value in wanted.items()):
            yield result


def differing(settings: Mapping[T, Mapping[str, Any]]) -> dict[T, str]:
    """The settings of each that not all share, as ``NAME=VALUE NAME=VALUE``; empty where all are equal."""
    keys = dict.fromkeys(key for own in settings.values() for key in own)
    apart = [key for key in keys if len({repr(own.get(key)) for own in settings.values()}) > 1]
    return {thing: " ".join(f"{key}={own.get(key)}" for key in apart) for thing, own in settings.items()}


def conditions(result: Result, features: Mapping[str, str] | None) -> Conditions:
    """All but the model and the seed: scores compare where this is equal.

    Args:
        result: The record.
        features: What names the features that the score was computed in; None for one of images.
    """
    return result.spec.conditions, frozenset((features or {}).items())


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
