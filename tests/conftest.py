"""What every test may rely on: no network, no device, nothing written outside its own folder."""

from __future__ import annotations

import importlib.metadata
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench_example
import bench_faulty
import pytest

from harness import plugins
from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.plugins import Registry
from harness.running.cell import Outcome, run_cell
from harness.running.place import Settings


@pytest.fixture(scope="session", autouse=True)
def no_strangers() -> Iterator[None]:
    """Hide plugins that happen to be installed here, but none that a test brings along."""
    find = importlib.metadata.entry_points
    strangers = {_distribution(plugin) for plugin in find(group="harness")} - {"hagan-bench"}

    def without_strangers(**selection: Any) -> Any:
        found = find(**selection)
        if selection.get("group") != "harness":
            return found
        return importlib.metadata.EntryPoints(one for one in found if _distribution(one) not in strangers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "entry_points", without_strangers)
        yield


def _distribution(plugin: importlib.metadata.EntryPoint) -> str:
    return plugin.dist.name if plugin.dist is not None else ""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test reach this machine and nothing else."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's environment out of the tests, and the tests out of the user's folders."""
    for name in list(os.environ):
        if name.startswith("HAGAN_BENCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HAGAN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HAGAN_BENCH_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with real data in the layouts that people have: see CONTRIBUTING.md.

    Named by BENCH_REAL_DATA, or found beside the repository; without it the test is skipped.
    """
    named = os.environ.get("BENCH_REAL_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; name a folder with BENCH_REAL_DATA")
    return folder


@pytest.fixture(autouse=True)
def registry() -> Iterator[Registry]:
    """The plugins of each test: the built-in ones with the example and the faulty ones."""
    registry = Registry()
    registry.add(bench_example, "bench-example 0.3.0")
    registry.add(bench_faulty, "bench-faulty 0.0.0")
    assert not registry.problems
    with plugins.using(registry):
        yield registry


RunTiny = Callable[..., Outcome]


@pytest.fixture
def run_tiny(tmp_path: Path) -> RunTiny:
    """Run a cell that takes well under a second: the example's model on the example's discs."""

    def run(
        *,
        results: Path = tmp_path / "results",
        stop: Callable[[], bool] = lambda: False,
        compile: bool = False,
        device_memory: int | None = None,
        **request: Any,
    ) -> Outcome:
        defaults: dict[str, Any] = {"model": "linear-gan", "dataset": "discs", "resolution": 16}
        tiny = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": "brightness"}
        request = {**defaults, **request, "settings": {**tiny, **request.get("settings", {})}}
        settings = Settings(
            Store(results),
            tmp_path / "cache",
            device="cpu",
            workers=1,
            compile=compile,
            device_memory=device_memory,
            stop=stop,
        )
        return run_cell(RunRequest(**request), settings)

    return run
