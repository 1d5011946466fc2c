"""Names that a model's settings may not have, for a user types them and means something else."""

from __future__ import annotations

from ..api import PluginConfig
from ..errors import PluginError
from .protocol import Protocol

RESERVED_NAMES = frozenset(
    {*Protocol.model_fields, "dataset", "model", "pair", "resolution", "seed", "source", "target"}
)
"""Every setting of the protocol, and what else a record says of a cell beside its settings."""


def check_setting_names(model: str, config: type[PluginConfig]) -> None:
    """Refuse a model with a setting that has one of ``RESERVED_NAMES``.

    Raises:
        PluginError: Names the model and the settings.
    """
    if taken := sorted(RESERVED_NAMES & set(config.model_fields)):
        raise PluginError(
            f"model {model} has settings of reserved names: {', '.join(taken)}",
            needed="other names in its Config",
            hint="bench show protocol; docs/plugins.md lists all such names",
        )
