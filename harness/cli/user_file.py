"""The user's own file of settings: what holds for every grid that is run from here."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from ..errors import SpecError
from ..files import read_file

VARIABLE = "HAGAN_BENCH_CONFIG"


def user_file() -> Path:
    """Where it is, whether or not it exists."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    import platformdirs

    return platformdirs.user_config_path("hagan-bench") / "config.toml"


def executor_settings(name: str) -> dict[str, Any]:
    """What ``[executor.NAME]`` sets; nothing where there is no file.

    Raises:
        SpecError: The file can't be read, or holds something else.
    """
    return all_executor_settings().get(name, {})


def all_executor_settings() -> dict[str, dict[str, Any]]:
    """What the file sets, by executor; nothing where there is no file.

    Raises:
        SpecError: The file can't be read, or holds something else.
    """
    path = user_file()
    try:
        content = tomllib.loads(read_file(path).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(
            f"{path} can't be read: {error}",
            needed="a TOML file",
            hint=f"mend it, or name another: {VARIABLE}=FILE",
        ) from error
    tables = content.pop("executor", {})
    if content or not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise SpecError(
            f"{path} holds {', '.join(content) or 'an executor that is no table'}",
            needed="tables [executor.NAME] alone",
            hint="[executor.slurm]",
        )
    return {name: dict(table) for name, table in tables.items()}
