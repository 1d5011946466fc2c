"""``bench list`` and ``bench show``: what there is, and everything about one of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SpecError
from .options import RESULTS, AsJson, Results, registry, runs_to_type
from .user_file import executor_settings, user_file

if TYPE_CHECKING:
    from pathlib import Path

    from ..api import PluginConfig
    from ..plugins import Kind, Registry
    from .answers import Setting, Shown

KINDS: tuple[Kind, ...] = ("models", "datasets", "metrics", "features", "executors")
SHOWN = ("protocol", "model", "dataset", "metric", "features", "executor", "run", "schema")


def names_to_show(ctx: typer.Context) -> list[str]:
    """What a shell may complete the name to."""
    what = ctx.params.get("what")
    if what == "run":
        return runs_to_type(ctx)
    return [entry.name for kind in KINDS if kind in (what, f"{what}s") for entry in registry().entries(kind)]


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="models, datasets, metrics, features or executors; all by default.",
            autocompletion=lambda: KINDS,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what is installed, from this package and from others."""
    plugins = registry()
    if kind is not None and kind not in KINDS:
        raise SpecError(f"there are no {kind!r} to list", needed=", ".join(KINDS), hint="bench list models")
    entries = {one: list(plugins.entries(one)) for one in KINDS if kind in (None, one)}
    if as_json:
        from .answers import Listed, Plugin, emit

        emit(
            Listed(
                plugins=[
                    Plugin(kind=one, name=e.name, summary=e.summary, distribution=e.distribution)
                    for one, found in entries.items()
                    for e in found
                ]
            )
        )
        return
    for one, found in entries.items():
        print(f"{one}:" if kind is None else "", end="\n" if kind is None else "")
        print_columns([(f"  {e.name}", e.summary, f"({e.distribution})") for e in found])


def show(
    what: Annotated[
        str,
        typer.Argument(
            help="protocol, model, dataset, metric, features, executor or run; schema: what --json prints.",
            autocompletion=lambda: list(SHOWN),
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            help="Its name; for a run its folder or the start of its name.", autocompletion=names_to_show
        ),
    ] = "",
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show every setting of the protocol or a plugin, with default, unit and source; or how a run ended.

    ``bench show run NAME --json`` prints the whole record.
    """
    from .answers import emit

    plugins = registry()
    if what not in SHOWN:
        raise SpecError(f"can't show {what!r}", needed=", ".join(SHOWN))
    if what != "protocol" and not name:
        raise SpecError(f"which {what}?", needed="its name", hint=f"bench show {what} NAME; bench list")
    if what == "schema":
        print(_schema(name), end="")
        return
    shown = (
        _run(name, results)
        if what == "run"
        else protocol_shown()
        if what == "protocol"
        else plugin_shown(plugins, what, name)
    )
    if as_json:
        emit(shown)
    elif what == "run":
        _print_run(name, results)
    else:
        _print_shown(shown)


def _schema(command: str) -> str:
    from ..plugins import unknown_name
    from .answers import ANSWERS, schema_file

    if command not in ANSWERS:
        raise unknown_name("command with --json", command, ANSWERS, hint="bench show schema table")
    return schema_file(command).read_text(encoding="utf-8")


def protocol_shown() -> Shown:
    """The settings of the protocol, and its presets."""
    from ..cell.protocol import CORE_PRESETS, PROTOCOL_VERSION, Protocol
    from .answers import Shown

    return Shown(
        what="protocol",
        name="protocol",
        version=PROTOCOL_VERSION,
        summary="how a cell is trained and scored, set by --set NAME=VALUE",
        settings=_settings(Protocol),
        presets={name: dict(values) for name, values in CORE_PRESETS.items()},
    )


def plugin_shown(plugins: Registry, what: str, name: str) -> Shown:
    """A model, data set, metric, feature space or executor."""
    from .answers import Shown

    kind: Kind = next(one for one in KINDS if one in (what, f"{what}s"))
    entry, cls = plugins.entry(kind, name), plugins.load(kind, name)
    presets = {preset: dict(values) for preset, values in getattr(cls, "presets", {}).items()}
    for preset, sides in getattr(cls, "presets_from", {}).items():
        presets |= {f"{preset}, from {side} px on": dict(changed) for side, changed in sides.items()}
    return Shown(
        what=what,
        name=name,
        version=getattr(cls, "version", None),
        summary=entry.summary,
        description=inspect.getdoc(cls) or "",
        facts=_facts(kind, name, cls),
        settings=_settings(cls.Config) if hasattr(cls, "Config") else [],
        presets=presets,
    )


def _facts(kind: Kind, name: str, cls: Any) -> dict[str, str | list[str]]:
    """What a kind of plugin has to say beside its settings."""
    if kind == "models":
        sides = "any" if cls.resolutions is None else ", ".join(map(str, cls.resolutions))
        return {"resolutions": sides}
    if kind == "datasets":
        texts = {title: getattr(cls, title) for title in ("obtain", "licence", "citation", "published_count")}
        lists = {
            "flips": cls.flips,
            "modalities": cls.modalities,
            "labels": cls.label_names,
            "regions": cls.regions,
        }
        return {title.replace("_", " "): text for title, text in texts.items() if text} | {
            title: list(names) for title, names in lists.items() if names
        }
    if kind == "executors":
        return {"set here": [f"{key} = {value!r}" for key, value in executor_settings(name).items()]}
    return {}


def _run(name: str, results: Any) -> Shown:
    from ..cell.records import Store
    from .answers import Shown

    folder = Store(results).find(name)
    record = folder.read_record()
    return Shown(
        what="run",
        name=folder.path.name,
        facts={"folder": str(folder.path)},
        record=None if record is None else record.model_dump(mode="json"),
        spec=(folder.read_spec() if record is None else record.spec).model_dump(mode="json"),
    )


def _print_run(name: str, results: Path) -> None:
    """How a run ended; of one that did not, what shows how far it is."""
    from ..cell.records import Store
    from .outcome import print_outcome

    folder = Store(results).find(name)
    record = folder.read_record()
    if record is None:
        print(f"{folder.path} is not done: bench watch {folder.path.name} shows how far it is")
    else:
        print_outcome(folder, record)


def _print_shown(shown: Shown) -> None:
    version = "" if shown.version is None else f" (version {shown.version})"
    print(f"{shown.name}{version}: {shown.summary}")
    if shown.what in ("metric", "features", "executor"):
        print(shown.description.replace("``", "`"))
    for title, fact in shown.facts.items():
        if shown.what != "executor":
            print(f"{title}: {fact if isinstance(fact, str) else ', '.join(fact)}")
    if shown.what not in ("metric", "features"):
        print()
        _print_settings(shown.settings)
    for preset, values in shown.presets.items():
        print(f"\npreset {preset}: " + ", ".join(f"{key}={value}" for key, value in values.items()))
    if shown.what == "executor":
        set_here = "".join(f"\n  {line}" for line in shown.facts["set here"])
        print("\nset by --set-executor NAME=VALUE, by [[resources]] of a grid, or below")
        print(f"[executor.{shown.name}] in {user_file()}:{set_here or ' nothing is set there'}")


def _settings(config: type[PluginConfig]) -> list[Setting]:
    from .answers import Setting

    found = []
    for name, field in config.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        found.append(
            Setting(
                name=name,
                default=field.default,
                unit=str(extra.get("unit", "")),
                description=field.description or "",
                source=str(extra.get("source", "")),
            )
        )
    return found


def _print_settings(settings: Sequence[Setting]) -> None:
    rows = [("setting", "default", "unit", "what", "source")]
    rows += [(s.name, json.dumps(s.default), s.unit, s.description, s.source) for s in settings]
    if settings:
        print_columns(rows)
    else:
        print("no settings")


def print_columns(rows: Iterable[Sequence[str]]) -> None:
    """Print rows with aligned columns; the last one flows."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
