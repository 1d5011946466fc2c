"""``bench check``: whether a plugin keeps its contract."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SpecError
from ..plugins import unknown_name
from .catalogue import KINDS
from .options import (
    AsJson,
    CacheOption,
    Offline,
    Roots,
    WeightsOption,
    cache_folder,
    data_root_of,
    registry,
    weights_of,
)

if TYPE_CHECKING:
    from ..plugins import Kind, Registry
    from ..scoring.weights import Weights
    from ..testing import Checked


def check(
    name: Annotated[
        str, typer.Argument(help="A registered model, data set, metric, feature space or executor.")
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", help="models, datasets, metrics, features or executors, where two share a name."
        ),
    ] = None,
    res: Annotated[
        int | None,
        typer.Option(
            "--res", help="Side of a model's images, in pixels. Default: the smallest that it can make."
        ),
    ] = None,
    labels: Annotated[
        int,
        typer.Option(min=0, help="Number of labels that a model is to make beside its images."),
    ] = 0,
    data_root: Roots = None,
    weights: WeightsOption = None,
    cache: CacheOption = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Check on the CPU that a plugin keeps its contract; what broke is told, and the exit code is 1."""
    plugins = registry()
    found = kind_of(plugins, name, kind)
    checked = run_checks(
        plugins, found, name, res, labels, data_root, weights_of(weights, cache_folder(cache), offline)
    )
    findings: dict[str, list[str]] = {one: [] for one in checked.checks}
    for finding in checked.findings:
        findings[finding.check].append(finding.broken)
    if as_json:
        _emit(checked.subject, findings)
    else:
        for one, broken in findings.items():
            print(f"{'BROKEN' if broken else 'ok':<7} {one}")
            for sentence in broken:
                print(f"        {sentence}")
        if not checked.findings:
            print(f"{checked.subject} keeps its contract ({len(checked.checks)} checks)")
    if checked.findings:
        print(
            f"{checked.subject} does not keep its contract: {len(checked.findings)} findings", file=sys.stderr
        )
        sys.exit(1)


def _emit(subject: str, findings: Mapping[str, list[str]]) -> None:
    from .answers import Check, CheckedPlugin, emit

    checks = [Check(name=name, findings=broken) for name, broken in findings.items()]
    emit(CheckedPlugin(subject=subject, keeps_contract=not any(findings.values()), checks=checks))


def kind_of(plugins: Registry, name: str, kind: str | None) -> Kind:
    """The kind of plugin that is meant.

    Raises:
        SpecError: Nothing has this name, or more than one thing.
    """
    if kind is not None and kind not in KINDS:
        raise SpecError(f"there is no kind {kind!r}", needed=", ".join(KINDS))
    names = {one: {entry.name for entry in plugins.entries(one)} for one in KINDS}
    found = [one for one in KINDS if name in names[one] and kind in (None, one)]
    if len(found) > 1:
        raise SpecError(
            f"{name} is the name of {' and '.join(found)}", needed="one", hint=f"--kind {found[0]}"
        )
    if not found:
        known = set().union(*(names[one] for one in KINDS if kind in (None, one)))
        raise unknown_name("plugin", name, known, hint="bench list")
    return found[0]


def run_checks(
    plugins: Registry,
    kind: Kind,
    name: str,
    side: int | None,
    labels: int,
    roots: list[Path] | None,
    weights: Weights,
) -> Checked:
    """The checks of one plugin."""
    from .. import testing
    from ..running.resolve import check_resolution

    plugin, options = plugins.load(kind, name), plugins.entry(kind, name).options
    match kind:
        case "models":
            if side is not None:
                check_resolution(name, plugin, side)
            return testing.check_model(plugin, name=name, side=side, labels=labels)
        case "datasets":
            root = data_root_of(name, roots)
            if plugin.needs_root and root is None:
                raise SpecError(
                    f"dataset {name} needs a folder with its raw files",
                    needed="--data-root DIR",
                    hint=f"bench show dataset {name} tells how to get them",
                )
            return testing.check_dataset(plugin, name=name, root=root)
        case "metrics":
            return testing.check_metric(plugin, name=name, **options)
        case "features":
            return testing.check_features(plugin, name=name, weights=weights, **options)
        case "executors":
            return testing.check_executor(plugin, name=name)
