"""How a command ends: what a user can put right is told, a bug keeps its traceback, and both can be seen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.api import PluginConfig
from harness.cli.ending import DEBUG, end
from harness.errors import SpecError
from harness.plugins import Registry
from harness.running.cell import Outcome

Run = Callable[..., Outcome]


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def of(number: int, *name: object) -> OSError:
    return OSError(number, os.strerror(number), *name)


@pytest.mark.parametrize(
    "error",
    [
        of(errno.EACCES, "their/file"),
        of(errno.ENOENT, b"caf\xe9"),
        of(errno.EINVAL, "their/file"),
        of(errno.EMFILE),
        of(errno.EDQUOT),
        SpecError("no such thing"),
        MemoryError(),
    ],
)
def test_what_a_user_can_put_right_is_told(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(raising(error)) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "error",
    [
        OSError("cannot identify image file"),
        of(errno.EBADF),
        of(errno.ECHILD),
        of(errno.ENOENT, os.path.join(os.path.dirname(harness.__file__), "gone.html")),
        ValueError("bug"),
    ],
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        end(raising(error))
    assert caught.value is error


def test_where_an_error_comes_from_is_shown_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise SpecError("the problem") from error

    assert end(command) == 2
    assert "the cause" not in capsys.readouterr().err
    monkeypatch.setenv(DEBUG, "1")
    assert end(command) == 2
    told = capsys.readouterr().err
    assert "KeyError: 'the cause'" in told
    assert told.splitlines()[-1] == "error: the problem"


def test_a_model_that_can_not_be_built_says_where(run_tiny: Run, registry: Registry, tmp_path: Path) -> None:
    base = registry.load("models", "linear-gan")

    class Broken(base):  # type: ignore[misc, valid-type]
        def __init__(self, shape: Any, config: PluginConfig) -> None:
            super().__init__(shape, config)
            int([])  # type: ignore[call-overload]

    registry.load = lambda kind, name: Broken if name == "linear-gan" else load(kind, name)  # type: ignore
    load = Registry.load.__get__(registry)
    with pytest.raises(SpecError, match=r"TypeError: int\(\) .* \(test_endings\.py, line \d+\)") as caught:
        run_tiny()
    assert isinstance(caught.value.__cause__, TypeError)
    assert "bench --debug" in caught.value.hint
