"""Plugins: found by name, imported late, and never able to take the others down."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib.metadata import EntryPoint

import pytest

from harness import hookimpl
from harness.errors import PluginError, SpecError
from harness.plugins import Registry


def plugin(**hooks: object) -> types.ModuleType:
    module = types.ModuleType("some_plugin")
    for name, hook in hooks.items():
        setattr(module, name, hook)
    return module


def test_names_are_listed_without_importing_torch_or_a_plugin() -> None:
    code = (
        "import sys; from harness.plugins import Registry; "
        "assert [e.name for e in Registry().entries('models')]; "
        "print(sorted(m for m in sys.modules if m in ('torch', 'diffusers', 'harness_models.dcgan')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_unknown_name_suggests_the_likely_one(registry: Registry) -> None:
    with pytest.raises(SpecError) as caught:
        registry.load("models", "haggan")
    assert "haggan" in caught.value.found
    assert "hagan" in caught.value.needed
    assert caught.value.hint == "bench list models"


def test_unknown_name_without_a_likely_one_lists_all(registry: Registry) -> None:
    with pytest.raises(SpecError, match="medmnist, msd-brain, phantom"):
        registry.load("datasets", "zzzz")


def test_name_registered_twice_names_both_distributions() -> None:
    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        register("same", "json:JSONDecoder")

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_models=bench_models), "first 1.0")
    registry.add(plugin(bench_models=bench_models), "second 2.0")
    assert "first 1.0" in registry.problems[0].message
    with pytest.raises(PluginError, match=r"first 1\.0 and by second 2\.0"):
        registry.load("models", "same")


def test_one_broken_entry_point_does_not_stop_the_others() -> None:
    broken = EntryPoint("broken", "no_such_module_anywhere", "harness")
    good = EntryPoint("good", "bench_example", "harness")
    registry = Registry(entry_points=[broken, good])
    assert [problem.distribution for problem in registry.problems] == ["no_such_module_anywhere"]
    assert "can't be imported" in registry.problems[0].message
    assert [entry.name for entry in registry.entries("models")] == ["linear-gan", "one-convolution"]


def test_misspelt_hook_is_told_with_the_right_name() -> None:
    @hookimpl
    def bench_model(register):  # type: ignore[no-untyped-def]
        register("x", "json:JSONDecoder")

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_model=bench_model), "misspelt 1.0")
    (problem,) = registry.problems
    assert problem.distribution == "misspelt 1.0"
    assert "did you mean bench_models?" in problem.message


def test_hook_without_the_mark_is_told() -> None:
    def bench_models(register):  # type: ignore[no-untyped-def]
        register("x", "json:JSONDecoder")

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_models=bench_models), "unmarked 1.0")
    assert "contributes nothing" in registry.problems[0].message
    assert "hookimpl" in registry.problems[0].message
    assert not list(registry.entries("models"))


def test_hook_that_raises_is_told_and_others_go_on() -> None:
    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        raise RuntimeError("no luck")

    @hookimpl
    def bench_metrics(register):  # type: ignore[no-untyped-def]
        register("fine", "json:JSONDecoder")

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_models=bench_models, bench_metrics=bench_metrics), "unlucky 1.0")
    assert "no luck" in registry.problems[0].message
    assert [entry.name for entry in registry.entries("metrics")] == ["fine"]


def test_class_that_can_not_be_imported_names_its_distribution() -> None:
    @hookimpl
    def bench_models(register):  # type: ignore[no-untyped-def]
        register("gone", "json:NoSuchClass")
        register("odd", "json")

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_models=bench_models), "gone-models 1.0")
    with pytest.raises(PluginError, match=r"gone-models 1\.0"):
        registry.load("models", "gone")
    assert "not 'package.module:Class'" in registry.problems[0].message


def test_options_of_a_registration_reach_the_constructor() -> None:
    @hookimpl
    def bench_metrics(register):  # type: ignore[no-untyped-def]
        register("counter", "collections:Counter", red=2)

    registry = Registry(entry_points=[])
    registry.add(plugin(bench_metrics=bench_metrics), "counting 1.0")
    assert registry.make("metrics", "counter", blue=1) == {"red": 2, "blue": 1}
