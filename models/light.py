"""Networks made for CPUs and for trials: they say what they are."""

from __future__ import annotations

from harness.api import Model


def light_caveats(model: Model) -> tuple[str, ...]:
    """That a model has the small networks of its preset ``light``, which says little of the method."""
    own = {
        name: value
        for name, value in model.presets["light"].items()
        if name in type(model.config).model_fields
    }
    if any(getattr(model.config, name) != value for name, value in own.items()):
        return ()
    count = sum(weight.numel() for network in model.networks().values() for weight in network.parameters())
    return (f"preset light: networks of {count / 1e6:.1f}M parameters, made for CPUs and for trials",)
