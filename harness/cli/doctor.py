"""``bench doctor``: what works here, what is missing, and what that means."""

from __future__ import annotations

from .catalogue import print_columns
from .options import CacheOption, WeightsOption, cache_folder, registry, weights_of


def doctor(cache: CacheOption = None, weights: WeightsOption = None) -> None:
    """Report versions, devices, the cache, plugins, and which feature spaces have their weights."""
    import torch

    from ..errors import WeightsError
    from ..machine import describe, pick_device, source_commit, versions

    plugins = registry()
    folder = cache_folder(cache)
    rows = [*versions().items(), ("commit", source_commit() or "not a checkout")]
    rows += [(key, str(value)) for key, value in describe(pick_device("auto")).items()]
    rows += [("cuda devices", str(torch.cuda.device_count())), ("cache", str(folder))]
    print_columns(rows)
    print("\nfeature spaces:")
    states = []
    locator = weights_of(weights, folder, offline=True)
    for entry in plugins.entries("features"):
        space = plugins.make("features", entry.name, weights=locator)
        try:
            space.check()
            state = "ready: " + ", ".join(f"{key} {value}" for key, value in space.identity().items())
        except WeightsError as error:
            state = f"not here: {error.found}; {error.hint}"
        users = [
            m.name for m in plugins.entries("metrics") if plugins.make("metrics", m.name).needs == entry.name
        ]
        states.append((f"  {entry.name}", f"for {', '.join(users) or 'no metric'}", state))
    print_columns(states)
    if plugins.problems:
        print(f"\n{len(plugins.problems)} plugin problem(s), named above")
