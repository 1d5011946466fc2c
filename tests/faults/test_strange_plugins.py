"""A stranger's plugin that exits, hangs or has an odd name costs itself and no more."""

from __future__ import annotations

import time
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness import hookimpl, plugins
from harness.errors import PluginError
from harness.plugins import Registry


def module_of(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> EntryPoint:
    """An installed plugin of this code."""
    name = f"stranger_{abs(hash(code))}"
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    return EntryPoint("stranger", name, "harness")


@pytest.mark.parametrize("end", ["SystemExit(0)", "SystemExit(3)", "GeneratorExit()", "ValueError('no')"])
def test_an_import_that_exits_ends_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    registry = Registry([module_of(tmp_path, monkeypatch, f"raise {end}")])
    (problem,) = registry.problems
    assert "can't be imported" in problem.message
    assert end.partition("(")[0] in problem.message


def test_ctrl_c_during_an_import_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        Registry([module_of(tmp_path, monkeypatch, "raise KeyboardInterrupt")])


def test_an_import_that_takes_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "SLOW_SECONDS", 0.05)
    told: list[str] = []
    Registry([module_of(tmp_path, monkeypatch, "import time; time.sleep(0.5)")], told.append)
    assert len(told) == 1
    assert "stranger" in told[0]


def test_an_import_that_takes_no_time_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "SLOW_SECONDS", 0.2)
    told: list[str] = []
    Registry([module_of(tmp_path, monkeypatch, "x = 1")], told.append)
    time.sleep(0.3)
    assert not told


@pytest.mark.parametrize(
    "name", ["../../up", "", "a b", "a/b", 5, None, ["x"], ".hidden", "-o", "a\n", "=1+1", "x" * 65]
)
def test_a_name_is_letters_digits_and_dots(name: object) -> None:
    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        register(name, "json:JSONDecoder")

    plugin = types.ModuleType("some_plugin")
    plugin.bench_models = bench_models  # type: ignore[attr-defined]
    registry = Registry(entry_points=[])
    registry.add(plugin, "odd 1.0")
    assert "can't be a name" in registry.problems[0].message
    assert not list(registry.entries("models"))


def test_a_hook_that_exits_is_a_problem_of_its_own() -> None:
    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        raise SystemExit(0)

    plugin = types.ModuleType("some_plugin")
    plugin.bench_models = bench_models  # type: ignore[attr-defined]
    registry = Registry(entry_points=[])
    registry.add(plugin, "odd 1.0")
    assert "SystemExit" in registry.problems[0].message or "failed: 0" in registry.problems[0].message


def test_a_class_whose_module_exits_is_an_error_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = module_of(tmp_path, monkeypatch, "import sys; sys.exit(0)").value

    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        register("odd", f"{target}:Model")

    plugin = types.ModuleType("some_plugin")
    plugin.bench_models = bench_models  # type: ignore[attr-defined]
    registry = Registry(entry_points=[])
    registry.add(plugin, "odd 1.0")
    with pytest.raises(PluginError, match="SystemExit"):
        registry.load("models", "odd")
