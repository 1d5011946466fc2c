"""``bench list`` and ``bench show``: what there is, and everything about one of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from .options import RESULTS, Results, registry
from .user_file import executor_settings, user_file

if TYPE_CHECKING:
    from ..api import PluginConfig
    from ..plugins import Kind, Registry

KINDS: tuple[Kind, ...] = ("models", "datasets", "metrics", "features", "executors")


def list_plugins(
    kind: Annotated[
        str | None, typer.Argument(help="models, datasets, metrics, features or executors; all by default.")
    ] = None,
) -> None:
    """List what is installed, from this package and from others."""
    plugins = registry()
    if kind is not None and kind not in KINDS:
        raise SpecError(f"there are no {kind!r} to list", needed=", ".join(KINDS), hint="bench list models")
    for one in KINDS:
        if kind in (None, one):
            print(f"{one}:" if kind is None else "", end="\n" if kind is None else "")
            print_columns([(f"  {e.name}", e.summary, f"({e.distribution})") for e in plugins.entries(one)])


def show(
    what: Annotated[str, typer.Argument(help="protocol, model, dataset, metric, features, executor or run.")],
    name: Annotated[
        str, typer.Argument(help="Its name; for a run its folder or the start of its name.")
    ] = "",
    results: Results = RESULTS,
) -> None:
    """Show every setting of the protocol or a plugin, with default, unit and source; or a run's record."""
    plugins = registry()
    if what == "protocol":
        _show_protocol()
    elif not name:
        raise SpecError(f"which {what}?", needed="its name", hint=f"bench show {what} NAME; bench list")
    elif what == "model":
        _show_model(plugins, name)
    elif what == "dataset":
        _show_dataset(plugins, name)
    elif what in ("metric", "features"):
        _show_score(plugins, "metrics" if what == "metric" else "features", name)
    elif what == "executor":
        _show_executor(plugins, name)
    elif what == "run":
        _show_run(name, results)
    else:
        raise SpecError(
            f"can't show {what!r}", needed="protocol, model, dataset, metric, features, executor or run"
        )


def _show_protocol() -> None:
    from ..cell.protocol import CORE_PRESETS, PROTOCOL_VERSION, Protocol

    print(
        f"protocol (version {PROTOCOL_VERSION}): how a cell is trained and scored, set by --set NAME=VALUE\n"
    )
    _print_config(Protocol)
    _print_presets(CORE_PRESETS)


def _show_model(plugins: Registry, name: str) -> None:
    model = plugins.load("models", name)
    print(f"{name} (version {model.version}): {plugins.entry('models', name).summary}")
    sides = "any" if model.resolutions is None else ", ".join(map(str, model.resolutions))
    print(f"resolutions: {sides}\n")
    _print_config(model.Config)
    _print_presets(model.presets)
    for preset, sides in model.presets_from.items():
        _print_presets({f"{preset}, from {side} px on": changed for side, changed in sides.items()})


def _show_dataset(plugins: Registry, name: str) -> None:
    dataset = plugins.load("datasets", name)
    print(f"{name} (version {dataset.version}): {plugins.entry('datasets', name).summary}")
    for title in ("obtain", "licence", "citation", "published_count"):
        if text := getattr(dataset, title):
            print(f"{title.replace('_', ' ')}: {text}")
    for title, names in (
        ("flips", dataset.flips),
        ("modalities", dataset.modalities),
        ("labels", dataset.label_names),
        ("regions", dataset.regions),
    ):
        if names:
            print(f"{title}: {', '.join(names)}")
    print()
    _print_config(dataset.Config)


def _show_score(plugins: Registry, kind: Kind, name: str) -> None:
    entry, cls = plugins.entry(kind, name), plugins.load(kind, name)
    print(f"{name} (version {cls.version}): {entry.summary}\n{(cls.__doc__ or '').strip()}")


def _show_executor(plugins: Registry, name: str) -> None:
    entry, kind = plugins.entry("executors", name), plugins.load("executors", name)
    print(f"{name}: {entry.summary}\n{inspect.getdoc(kind) or ''}\n")
    _print_config(kind.Config)
    set_here = "".join(f"\n  {key} = {value!r}" for key, value in executor_settings(name).items())
    print(f"\nset by --set-executor NAME=VALUE, by [[resources]] of a grid, or below [executor.{name}] in")
    print(f"{user_file()}:{set_here or ' nothing is set there'}")


def _show_run(name: str, results: Any) -> None:
    from ..cell.records import Store

    folder = Store(results).find(name)
    record = folder.read_record()
    if record is None:
        print(f"{folder.path} is not done; its spec:")
    content = folder.read_spec() if record is None else record
    print(json.dumps(content.model_dump(mode="json"), indent=2, ensure_ascii=False))


def _print_presets(presets: Mapping[str, Mapping[str, Any]]) -> None:
    for name, overrides in presets.items():
        print(f"\npreset {name}: " + ", ".join(f"{key}={value}" for key, value in overrides.items()))


def _print_config(config: type[PluginConfig]) -> None:
    rows = [("setting", "default", "unit", "what", "source")]
    for name, field in config.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        rows.append(
            (
                name,
                json.dumps(field.default),
                str(extra.get("unit", "")),
                field.description or "",
                str(extra.get("source", "")),
            )
        )
    if len(rows) == 1:
        print("no settings")
    else:
        print_columns(rows)


def print_columns(rows: Iterable[Sequence[str]]) -> None:
    """Print rows with aligned columns; the last one flows."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
