"""Finding plugins: names become classes here, and only when somebody asks for one.

pluggy is silent about three mistakes that plugin authors make: a misspelt hook, a forgotten
``@hookimpl``, and an entry point that can't be imported. Each is collected in ``Registry.problems``,
naming its distribution, and the other plugins go on.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import pluggy

from . import hookspecs
from .errors import PluginError, SpecError
from .files import typed

#: A stranger's module may raise anything, and may even ask to exit; only Ctrl-C is not its own.
_STRANGERS = (Exception, SystemExit, GeneratorExit)

Kind = Literal["models", "datasets", "metrics", "features", "executors"]

_KINDS: dict[Kind, str] = {
    "models": "bench_models",
    "datasets": "bench_datasets",
    "metrics": "bench_metrics",
    "features": "bench_features",
    "executors": "bench_executors",
}
_GROUP = "harness"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names become parts of folders' names, columns of tables, and words of command lines."""
SLOW_SECONDS = 5.0
"""After so long somebody who waits is told for whom."""


@dataclass(frozen=True)
class Registration:
    """Something registered by name and not imported yet.

    Attributes:
        name: What users type.
        target: ``"package.module:Class"``.
        summary: One line for ``bench list``.
        distribution: The installed package that brought it, with its version.
        options: Keyword arguments for the constructor.
    """

    name: str
    target: str
    summary: str
    distribution: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Problem:
    """A plugin that was left out, or that did nothing."""

    distribution: str
    message: str


class Registry:
    """All plugins of this Python environment.

    Args:
        entry_points: Where plugins are; None for those of this environment.
        tell: Told, in one sentence, of a plugin whose import takes long.

    Attributes:
        manager: pluggy's manager; observers are registered on it.
        problems: What went wrong while plugins were collected.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        tell: Callable[[str], None] = warnings.warn,
    ) -> None:
        self._tell = tell
        self.manager = pluggy.PluginManager("harness")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self._entries: dict[Kind, dict[str, Registration]] = {kind: {} for kind in _KINDS}
        self._conflicts: dict[tuple[Kind, str], str] = {}
        if entry_points is None:
            entry_points = importlib.metadata.entry_points(group=_GROUP)
        for entry_point in entry_points:
            self._load(entry_point)

    def entries(self, kind: Kind) -> Iterator[Registration]:
        """Every entry of a kind, in alphabetical order."""
        yield from sorted(self._entries[kind].values(), key=lambda entry: entry.name)

    def entry(self, kind: Kind, name: str) -> Registration:
        """The entry called ``name``.

        Raises:
            SpecError: There is none; the message suggests similar names.
        """
        entries = self._entries[kind]
        if conflict := self._conflicts.get((kind, name)):
            raise PluginError(conflict, needed="one plugin for one name", hint="uninstall one of the two")
        if name not in entries:
            raise unknown_name(kind.removesuffix("s"), name, entries, hint=f"bench list {kind}")
        return entries[name]

    def load(self, kind: Kind, name: str) -> Any:
        """Import the class behind a name.

        Raises:
            SpecError: No such name.
            PluginError: The class can't be imported.
        """
        entry = self.entry(kind, name)
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except _STRANGERS as error:
            raise PluginError(
                f"{kind.removesuffix('s')} {name!r} of {entry.distribution} can't be loaded "
                f"from {entry.target}: {type(error).__name__}: {error}",
                needed="an importable class",
                hint=f"{typed('python', '-c', f'import {module}')} to see where it fails",
            ) from error

    def make(self, kind: Kind, name: str, **arguments: Any) -> Any:
        """Load the class behind a name and call it with its registered options and ``arguments``."""
        return self.load(kind, name)(**{**self.entry(kind, name).options, **arguments})

    def add(self, plugin: object, distribution: str) -> None:
        """Take in a module or object with hooks, in the name of ``distribution``.

        What is wrong with it goes to ``problems``.
        """
        try:
            self.manager.register(plugin, name=f"{distribution}:{self.manager.get_canonical_name(plugin)}")
            self.manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._leave_out(plugin, distribution, f"{error}{_misspelt(plugin)}")
            return
        except _STRANGERS as error:
            self._leave_out(plugin, distribution, f"{type(error).__name__}: {error}")
            return
        if not self.manager.get_hookcallers(plugin):
            self._complain(
                distribution, f"{plugin} contributes nothing: no hook there is marked with @harness.hookimpl"
            )
            return
        self._collect(plugin, distribution)

    def _load(self, entry_point: importlib.metadata.EntryPoint) -> None:
        distribution = _distribution(entry_point)
        slow = threading.Timer(
            SLOW_SECONDS,
            self._tell,
            [f"the import of plugin {distribution} ({entry_point.value}) takes long"],
        )
        slow.daemon = True
        slow.start()
        try:
            plugin = entry_point.load()
        except _STRANGERS as error:
            self._complain(
                distribution, f"{entry_point.value} can't be imported: {type(error).__name__}: {error}"
            )
            return
        finally:
            slow.cancel()
        self.add(plugin, distribution)

    def _leave_out(self, plugin: object, distribution: str, message: str) -> None:
        if self.manager.is_registered(plugin):
            self.manager.unregister(plugin)
        self._complain(distribution, message)

    def _collect(self, plugin: object, distribution: str) -> None:
        for kind, hook in _KINDS.items():
            implementation = getattr(plugin, hook, None)
            if implementation is None:
                continue
            # Called one plugin at a time, so that what it registers carries its distribution's name.
            caller = self.manager.subset_hook_caller(
                hook, [other for other in self.manager.get_plugins() if other is not plugin]
            )
            try:
                caller(register=self._register(kind, distribution))
            except _STRANGERS as error:
                self._complain(distribution, f"{hook} failed: {error or type(error).__name__}")

    def _register(self, kind: Kind, distribution: str) -> Any:
        entries = self._entries[kind]

        def register(name: str, target: str, *, summary: str = "", **options: Any) -> None:
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise PluginError(f"{name!r} can't be a name: letters, digits, '.', '_' and '-', 64 at most")
            if not (isinstance(target, str) and isinstance(summary, str)):
                raise PluginError(f"target and summary of {name!r} are not text")
            if ":" not in target:
                raise PluginError(f"target {target!r} of {name!r} is not 'package.module:Class'")
            if name in entries:
                conflict = (
                    f"{kind.removesuffix('s')} {name!r} is registered twice: "
                    f"by {entries[name].distribution} and by {distribution}"
                )
                self._conflicts[kind, name] = conflict
                self._complain(distribution, conflict)
                return
            entries[name] = Registration(name, target, summary, distribution, MappingProxyType(options))

        return register

    def _complain(self, distribution: str, message: str) -> None:
        self.problems.append(Problem(distribution, message))


_current: Registry | None = None


def current(tell: Callable[[str], None] = warnings.warn) -> Registry:
    """The plugins of this process: those of its Python environment, found once when first asked for.

    Args:
        tell: Told, in one sentence, of a plugin whose import takes long.
    """
    global _current
    if _current is None:
        _current = Registry(tell=tell)
    return _current


@contextmanager
def using(registry: Registry) -> Iterator[Registry]:
    """Make ``registry`` the plugins of this process for as long as the context lasts."""
    global _current
    before, _current = _current, registry
    try:
        yield registry
    finally:
        _current = before


def unknown_name(what: str, name: str, known: Iterable[str], *, hint: str) -> SpecError:
    """The error for a name that does not exist, with the likely intended ones."""
    known = sorted(known)
    folded = {one.lower(): one for one in known}
    close = [folded[one] for one in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
    needed = f"did you mean {' or '.join(close)}?" if close else f"one of {', '.join(known) or '(none)'}"
    return SpecError(f"unknown {what} {name!r}", needed=needed, hint=hint)


def _distribution(entry_point: importlib.metadata.EntryPoint) -> str:
    if entry_point.dist is None:
        return entry_point.module
    return f"{entry_point.dist.name} {entry_point.dist.version}"


def _misspelt(plugin: object) -> str:
    hooks = [name for name in vars(hookspecs) if name.startswith("bench_")]
    wrong = [name for name in dir(plugin) if name.startswith("bench_") and name not in hooks]
    close = [match for name in wrong for match in difflib.get_close_matches(name, hooks, n=1)]
    return f"; did you mean {' or '.join(close)}?" if close else ""
