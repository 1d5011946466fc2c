"""Pages of reference, made of the code: commands, settings, the Python API, and what plugins hook into."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer

import harness
from harness import api, hookspecs, plugins
from harness.cli import app
from harness.cli.catalogue import plugin_shown, protocol_shown
from harness.cli.exits import EXIT_CODES

SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:", "Yields:")


def pages() -> dict[str, str]:
    """Every page by its path."""
    return {
        "reference/commands.md": _commands(),
        "reference/settings.md": _settings(),
        "reference/api.md": _api(),
        "reference/plugins.md": _hooks(),
    }


def _commands() -> str:
    lines = ["# Commands", "", "What `bench COMMAND --help` prints.", ""]
    for name, command in _each(typer.main.get_command(app), "bench"):
        lines += [f"## {name}", "", command.help or "", ""]
        rows = [_option(one) for one in command.params if not getattr(one, "hidden", False)]
        lines += _table(("option", "what it is"), rows)
    lines += ["## Exit codes", "", *_table(("code", "meaning"), [(str(c), w) for c, w in EXIT_CODES.items()])]
    return "\n".join(lines)


def _each(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that is shown, by what one types."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield name, command
        return
    for key, one in subcommands.items():
        if not one.hidden:
            yield from _each(one, f"{name} {key}")


def _option(one: Any) -> tuple[str, str]:
    is_option = one.param_type_name == "option"
    names = ", ".join(one.opts) if is_option else one.metavar or one.name.upper()
    default = one.default
    told = "" if default in (None, False, "", ()) or callable(default) else f" Default: `{default}`."
    variable = f" Variable: `{one.envvar}`." if getattr(one, "envvar", None) else ""
    return f"`{names}`", f"{getattr(one, 'help', '') or ''}{told}{variable}"


def _settings() -> str:
    lines = ["# Settings", "", "What `--set NAME=VALUE` sets. A data set's are typed as `dataset.NAME`.", ""]
    registry = plugins.current()
    shown = [protocol_shown()]
    for kind in ("model", "dataset"):
        shown += [plugin_shown(registry, kind, entry.name) for entry in registry.entries(f"{kind}s")]
    for one in shown:
        lines += [f"## {one.name}", "", f"Version {one.version}: {one.summary}", ""]
        rows = [
            (f"`{s.name}`", f"`{json.dumps(s.default)}`", s.unit, s.description, s.source)
            for s in one.settings
        ]
        lines += (
            _table(("setting", "default", "unit", "what", "source"), rows) if rows else ["No settings.", ""]
        )
        for preset, values in one.presets.items():
            lines += [
                f"Preset `{preset}`: " + ", ".join(f"`{key}={value}`" for key, value in values.items()),
                "",
            ]
    return "\n".join(lines)


def _api() -> str:
    lines = ["# Python", "", "## harness", "", *_docstring(inspect.getdoc(harness) or "")]
    for name in sorted(harness.__all__):
        if callable(thing := getattr(harness, name)):
            lines += _thing(f"harness.{name}", thing)
    lines += ["## harness.api", "", *_docstring(inspect.getdoc(api) or "")]
    for name in sorted(api.__all__):
        if callable(thing := getattr(api, name)) and getattr(thing, "__module__", "").startswith("harness"):
            lines += _thing(f"harness.api.{name}", thing)
    return "\n".join(lines)


def _hooks() -> str:
    lines = ["# Hooks", "", inspect.getdoc(hookspecs) or "", ""]
    for name, hook in vars(hookspecs).items():
        if name.startswith("bench_"):
            lines += _thing(name, hook)
    return "\n".join([*lines, "[Plugins](../plugins.md) builds one of each kind from nothing."])


def _thing(name: str, thing: object) -> list[str]:
    try:
        signature = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        signature = ""
    code = (
        []
        if len(signature) < 3
        else ["```python", f"{name.rpartition('.')[2]}{_wrapped(signature)}", "```", ""]
    )
    return [f"### {name}", "", *code, *_docstring(inspect.getdoc(thing) or "")]


def _wrapped(signature: str) -> str:
    """Each parameter on a line, where one line is too long."""
    if len(signature) < 80:
        return signature
    parts = re.split(r", (?=\*{0,2}\w+: |\*, )", signature[1:])
    return "(\n    " + ",\n    ".join(parts).replace(") -> ", "\n) -> ")


def _docstring(text: str) -> list[str]:
    """A docstring in Google's form as Markdown: its sections become lists."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() in SECTIONS:
            inside = True
            lines += ["", f"**{line.strip(' :')}**", ""]
        elif inside and re.match(r"    \S", line):
            lines.append(f"- {line.strip()}")
        elif inside and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            inside = False
            lines.append(line)
    return [*(line.replace("``", "`") for line in lines), ""]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(heads), "|" + "---|" * len(heads), *map(line, rows), ""]
