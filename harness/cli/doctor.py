"""``bench doctor``: what works here, what is missing, and what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import print_columns
from .options import CacheOption, WeightsOption, cache_folder, registry, weights_of

if TYPE_CHECKING:
    from ..plugins import Registry


def doctor(cache: CacheOption = None, weights: WeightsOption = None) -> None:
    """Report versions, devices, the cache, plugins, and which feature spaces have their weights."""
    import torch

    from ..errors import PluginError, WeightsError
    from ..running.environment import describe, pick_device, source_commit, versions

    plugins = registry()
    folder = cache_folder(cache)
    rows = [*versions().items(), ("commit", source_commit() or "not a checkout")]
    rows += [(key, str(value)) for key, value in describe(pick_device("auto")).items()]
    rows += [("cuda devices", str(torch.cuda.device_count())), ("cache", str(folder))]
    print_columns(rows)
    print("\nfeature spaces:")
    states = []
    needs, broken = _needs(plugins)
    locator = weights_of(weights, folder, offline=True)
    for entry in plugins.entries("features"):
        try:
            space = plugins.make("features", entry.name, weights=locator)
            space.check()
            state = "ready: " + ", ".join(f"{key} {value}" for key, value in space.identity().items())
        except WeightsError as error:
            state = f"not here: {error.found}; {error.hint}"
        except PluginError as error:
            state = f"broken: {error.found}"
        users = ", ".join(name for name, need in needs.items() if need == entry.name)
        states.append((f"  {entry.name}", f"for {users or 'no metric'}", state))
    print_columns(states)
    for problem in broken:
        print(problem)
    if plugins.problems:
        print(f"\n{len(plugins.problems)} plugin problem(s), named above")


def _needs(plugins: Registry) -> tuple[dict[str, str], list[str]]:
    """What each metric is computed from, and a line for each that can't be loaded."""
    from ..errors import PluginError

    needs, broken = {}, []
    for entry in plugins.entries("metrics"):
        try:
            needs[entry.name] = plugins.make("metrics", entry.name).needs
        except PluginError as error:
            broken.append(f"  metric {entry.name} is broken: {error.found}")
    return needs, broken
