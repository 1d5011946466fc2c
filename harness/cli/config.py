"""``bench config``: what the user's file and the environment set, and which variables there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from .ending import DEBUG
from .options import AsJson, CacheOption, Results, Roots, TensorBoardOption, TrackOption, WeightsOption, tell
from .user_file import VARIABLE, all_executor_settings, user_file

if TYPE_CHECKING:
    from .answers import Variable

_PREFIX = "HAGAN_BENCH_"
_OTHERS = {
    VARIABLE: "The user's file of settings.",
    DEBUG: "Show where an error comes from, as bench --debug does.",
    "NO_COLOR": "Anything: no command prints colours.",
}
_JOBS_OWN = "HAGAN_BENCH_JOB"


def config(as_json: AsJson = False) -> None:
    """Show what the user's file and the environment set; what a command line says wins over both."""
    from .answers import Config, emit

    variables = list(_variables())
    known = {one.name for one in variables} | {_JOBS_OWN}
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in known:
            tell(f"{name} is set, and no command reads it")
    executors = all_executor_settings()
    if as_json:
        file = user_file()
        emit(Config(file=str(file), file_exists=file.exists(), executors=executors, environment=variables))
    else:
        _print(variables, executors)


def _variables() -> Iterator[Variable]:
    """Every variable that commands read, with what the option that it stands for says of it."""
    from .answers import Variable

    meanings: dict[str, str] = {}
    for option in (Results, CacheOption, WeightsOption, Roots, TensorBoardOption, TrackOption):
        info: Any = get_args(option)[1]
        meanings[info.envvar] = info.help
    for name, meaning in {**meanings, **_OTHERS}.items():
        yield Variable(name=name, value=os.environ.get(name), meaning=meaning)


def _print(variables: list[Variable], executors: dict[str, dict[str, Any]]) -> None:
    from .catalogue import print_columns

    file = user_file()
    print(f"{file}{'' if file.exists() else ' (not there)'}")
    for name, settings in executors.items():
        print_columns([(f"  executor.{name}.{key}", repr(value)) for key, value in settings.items()])
    print("\nenvironment:")
    print_columns(
        [(f"  {one.name}", "-" if one.value is None else one.value, one.meaning) for one in variables]
    )
