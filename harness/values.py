"""Values that users type become settings."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import SpecError

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_value(value: Any) -> Any:
    """Text from a command line as JSON where it is JSON: 1e-3, true, null and [1,2] mean themselves."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # no JSON, or more than anybody reads
        return value


def validate(config: type[ModelT], values: Mapping[str, Any], owner: str) -> ModelT:
    """Make a config, turning pydantic's complaint into a user's error.

    Raises:
        SpecError: A value is out of range or of the wrong kind.
    """
    try:
        return config(**values)
    except ValidationError as error:
        raise SpecError(
            f"invalid settings of {owner}: " + "; ".join(_problems(error)),
            needed="values of the kind and in the range that it names",
            hint=f"bench show {owner}",
        ) from error


def _problems(error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        # What is wrong with several settings together belongs to none of them.
        yield f"{name}={reprlib.repr(problem['input'])}: {problem['msg']}" if name else problem["msg"]
