"""Checks of a plugin's class: its version and the documentation of its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..api import OneOf, PluginConfig, tunable

SOURCES = ("published", "reference", "inferred", "ours")
"""What the source of a default may begin with."""


def faults_of_version(plugin: Any) -> Iterator[str]:
    """A version is a whole number, so that records of another one are known to be stale."""
    version = getattr(plugin, "version", None)
    if not isinstance(version, int) or isinstance(version, bool):
        yield f"version is {version!r} instead of a whole number, such as 1"


def faults_of_config(plugin: Any) -> Iterator[str]:
    """Every setting says what it is, and where its default comes from."""
    config = getattr(plugin, "Config", None)
    if not (isinstance(config, type) and issubclass(config, PluginConfig)):
        yield f"Config is {config!r} instead of a class of harness.api.PluginConfig"
        return
    for name, field in config.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if field.is_required():
            yield f"setting {name!r} has no default"
        if not field.description:
            yield f"setting {name!r} has no description: declare it with harness.api.setting"
        elif not str(extra.get("source", "")).startswith(SOURCES):
            yield f"setting {name!r} does not say where its default comes from: source={' or '.join(SOURCES)}"
    for name, tune in tunable(config).items():
        for value in tune.values if isinstance(tune, OneOf) else (tune.low, tune.high):
            try:
                config(**{name: value})
            except ValueError:
                yield f"setting {name!r} takes no {value!r}, which it declares for bench tune"
