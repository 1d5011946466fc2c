"""Values that users type become settings."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import SpecError

ModelT = TypeVar("ModelT", bound=BaseModel)

_PREFIXES = ("", "k", "m", "g", "t")
_MEMORY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)


def bytes_of(text: str, option: str) -> int:
    """An amount of memory as people write it: 8GB, 1.5 GiB, 500MB, 0.

    Args:
        text: A number; with a prefix of thousands, or with ``i`` of 1024.
        option: Where it was given.

    Raises:
        SpecError: It is none.
    """
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise SpecError(
            f"{option} {reprlib.repr(text)} is no amount of memory",
            needed="a number with a unit: 500MB, 8GB, 16GiB",
            hint=f"{option} 8GB",
        )
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _PREFIXES.index(prefix.lower()))


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
