"""How a plugin declares its hyper-parameters."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar


class PluginConfig(BaseModel):
    """Base of every plugin's ``Config``: frozen; a misspelt name is an error, and so are NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


#: The class of a plugin's settings: ``Synthesizer[MyConfig]`` has ``self.config: MyConfig``.
ConfigT = TypeVar("ConfigT", bound=PluginConfig, covariant=True, default=Any)


def setting(default: Any, description: str, *, unit: str = "", source: str = "", **limits: Any) -> Any:
    """Declare one documented hyper-parameter of a ``Config``.

    Args:
        default: The value that is used when the user says nothing.
        description: One line for ``bench show``.
        unit: Unit of the value, where it has one.
        source: Where the default comes from: ``published: ...``, ``reference: ...`` (a public
            implementation), ``inferred: ...`` or ``ours: ...``.
        **limits: pydantic's constraints: ``gt``, ``ge``, ``lt``, ``le``, ``min_length``, ...
    """
    return Field(
        default, description=description, json_schema_extra={"unit": unit, "source": source}, **limits
    )
