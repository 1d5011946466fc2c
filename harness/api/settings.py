"""How a plugin declares its hyper-parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar


class PluginConfig(BaseModel):
    """Base of every plugin's ``Config``: frozen; a misspelt name is an error, and so are NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


#: The class of a plugin's settings: ``Synthesizer[MyConfig]`` has ``self.config: MyConfig``.
ConfigT = TypeVar("ConfigT", bound=PluginConfig, covariant=True, default=Any)


class Between(NamedTuple):
    """Numbers that a search may try; whole ones where both ends are whole.

    Attributes:
        log: Whether their logarithms are drawn evenly, as suits rates and weights.
    """

    low: float
    high: float
    log: bool = False


class OneOf(NamedTuple):
    """Values that a search may try: whatever JSON can say."""

    values: tuple[Any, ...]


def setting(
    default: Any,
    description: str,
    *,
    unit: str = "",
    source: str = "",
    tune: Between | OneOf | None = None,
    **limits: Any,
) -> Any:
    """Declare one documented hyper-parameter of a ``Config``.

    Args:
        default: The value that is used when the user says nothing.
        description: One line for ``bench show``.
        unit: Unit of the value, where it has one.
        source: Where the default comes from: ``published: ...``, ``reference: ...`` (a public
            implementation), ``inferred: ...`` or ``ours: ...``.
        tune: What ``bench tune`` may try instead of the default; None leaves it alone.
        **limits: pydantic's constraints: ``gt``, ``ge``, ``lt``, ``le``, ``min_length``, ...
    """
    extra: dict[str, Any] = {"unit": unit, "source": source}
    if tune is not None:
        extra["tune"] = tune._asdict()
    return Field(default, description=description, json_schema_extra=extra, **limits)


def tunable(config: type[PluginConfig]) -> dict[str, Between | OneOf]:
    """What a search may try of each setting of a ``Config`` that says so."""
    found: dict[str, Between | OneOf] = {}
    for name, field in config.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        tune: Any = extra.get("tune")
        if tune is not None:
            found[name] = Between(**tune) if "low" in tune else OneOf(**tune)
    return found
