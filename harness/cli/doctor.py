"""``bench doctor``: what works here, what is missing, and what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import print_columns
from .options import AsJson, CacheOption, WeightsOption, cache_folder, registry, weights_of

if TYPE_CHECKING:
    from ..plugins import Registry
    from ..scoring.weights import Weights
    from .answers import Health, Space


def doctor(cache: CacheOption = None, weights: WeightsOption = None, as_json: AsJson = False) -> None:
    """Report versions, devices, the cache, plugins, and which feature spaces have their weights."""
    import torch

    from ..running.environment import describe, pick_device, source_commit, versions
    from .answers import Health, emit

    plugins = registry()
    folder = cache_folder(cache)
    needs, broken = _needs(plugins)
    health = Health(
        versions=versions(),
        commit=source_commit(),
        device=describe(pick_device("auto")),
        cuda_devices=torch.cuda.device_count(),
        cache=str(folder),
        spaces=_spaces(plugins, needs, weights_of(weights, folder, offline=True)),
        problems=broken + [f"plugin {one.distribution}: {one.message}" for one in plugins.problems],
    )
    emit(health) if as_json else _print(health)


def _print(health: Health) -> None:
    rows = [*health.versions.items(), ("commit", health.commit or "not a checkout")]
    rows += [(key, str(value)) for key, value in health.device.items()]
    print_columns([*rows, ("cuda devices", str(health.cuda_devices)), ("cache", health.cache)])
    print("\nfeature spaces:")
    print_columns(
        [
            (f"  {one.name}", f"for {', '.join(one.used_by) or 'no metric'}", _state(one))
            for one in health.spaces
        ]
    )
    if health.problems:
        print("\nproblems:")
    for problem in health.problems:
        print(f"  {problem}")


def _state(space: Space) -> str:
    if space.identity is not None:
        return "ready: " + ", ".join(f"{key} {value}" for key, value in space.identity.items())
    return f"not here: {space.problem}; {space.hint}" if space.hint else f"broken: {space.problem}"


def _spaces(plugins: Registry, needs: dict[str, str], weights: Weights) -> list[Space]:
    """Every feature space, tried."""
    from ..errors import PluginError, WeightsError
    from .answers import Space

    found = []
    for entry in plugins.entries("features"):
        identity = problem = hint = None
        try:
            space = plugins.make("features", entry.name, weights=weights)
            space.check()
            identity = {key: str(value) for key, value in space.identity().items()}
        except WeightsError as error:
            problem, hint = error.found, error.hint
        except PluginError as error:
            problem = error.found
        users = [name for name, need in needs.items() if need == entry.name]
        found.append(Space(name=entry.name, used_by=users, identity=identity, problem=problem, hint=hint))
    return found


def _needs(plugins: Registry) -> tuple[dict[str, str], list[str]]:
    """What each metric is computed from, and a line for each that can't be loaded."""
    from ..errors import PluginError

    needs, broken = {}, []
    for entry in plugins.entries("metrics"):
        try:
            needs[entry.name] = plugins.make("metrics", entry.name).needs
        except PluginError as error:
            broken.append(f"metric {entry.name} is broken: {error.found}")
    return needs, broken
