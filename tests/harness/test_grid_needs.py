"""What cells need of an executor: who says it, who wins, and that no result depends on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.api import Executor, PluginConfig, setting
from harness.cell.spec import RunRequest
from harness.cli import user_file
from harness.errors import SpecError
from harness.grid import devices
from harness.grid.definition import Grid, Point, load_grid
from harness.grid.jobs import pack
from harness.grid.needs import Needs
from harness.grid.plan import make_plan
from harness.grid.planned import GridOptions
from harness.plugins import Registry
from harness.running.resolve import resolve


class Queue(Executor[Any]):
    """A queue that nobody submits to here."""

    class Config(PluginConfig):
        """Its settings."""

        partition: str = setting("cpu", "where to queue", source="ours")
        hours: int = setting(1, "time limit", source="ours", unit="h", ge=1)
        gpus: int = setting(0, "GPUs", source="ours")

    outlives = True
    slots = None

    def submit(self, jobs: Any) -> Any:
        raise AssertionError(jobs)


GRID = """
models = ["linear-gan", "faulty"]
datasets = ["discs"]
resolutions = [16, 32]
[settings]
epochs = 1
[[resources]]
resolution = 32
settings = { hours = 8, gpus = 1 }
[[resources]]
model = "faulty"
resolution = 32
executor = "other"
settings = { what = 3 }
"""


def grid_of(tmp_path: Path, text: str = GRID) -> Grid:
    (tmp_path / "mine.toml").write_text(text)
    return load_grid(str(tmp_path / "mine.toml"))


def needs(user: dict[str, Any] | None = None, given: dict[str, Any] | None = None) -> Needs:
    return Needs(Queue, "queue", user or {}, given or {})


def at(side: int, model: str = "linear-gan") -> Point:
    return Point(model, "discs", side, 0)


def test_the_command_line_wins_over_the_grid_and_the_grid_over_the_user(tmp_path: Path) -> None:
    grid = grid_of(tmp_path)
    user = {"partition": "mine", "hours": 2}
    assert needs().of(grid, at(16)) == Queue.Config()
    assert needs(user).of(grid, at(16)) == Queue.Config(partition="mine", hours=2)
    assert needs(user).of(grid, at(32)) == Queue.Config(partition="mine", hours=8, gpus=1)
    assert needs(user, {"hours": "24"}).of(grid, at(32)) == Queue.Config(partition="mine", hours=24, gpus=1)
    assert needs(user).general() == Queue.Config(partition="mine", hours=2)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"partion": "x"}, "did you mean partition"), ({"hours": "0"}, "hours=0"), ({"hours": "soon"}, "soon")],
)
def test_a_mistake_is_told_with_what_there_is(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        needs({}, given).of(grid_of(tmp_path), at(16))
    assert words in str(caught.value)
    assert "bench show executor queue" in str(caught.value)


def test_two_entries_that_disagree_are_an_error(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, GRID + '[[resources]]\nmodel = "faulty"\nsettings = { gpus = 2 }\n')
    assert needs().of(grid, at(16, "faulty")) == Queue.Config(gpus=2)
    with pytest.raises(SpecError, match="two resources of grid mine clash: gpus = 1 and 2 for faulty"):
        needs().of(grid, at(32, "faulty"))


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv(user_file.VARIABLE, str(path))
    return path


def test_the_users_file_is_read_where_there_is_one(own_file: Path) -> None:
    assert user_file.executor_settings("slurm") == {}
    own_file.write_text('[executor.slurm]\npartition = "gpu"\n[executor.ray]\naddress = "auto"\n')
    assert user_file.executor_settings("slurm") == {"partition": "gpu"}
    assert user_file.executor_settings("local") == {}


@pytest.mark.parametrize("content", [b"[", b"\xff", b"x = 1", b"executor = 3", b"[executor]\nslurm = 1"])
def test_a_users_file_that_holds_something_else_is_named(own_file: Path, content: bytes) -> None:
    own_file.write_bytes(content)
    with pytest.raises(SpecError, match=r"config\.toml"):
        user_file.executor_settings("slurm")


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_show_tells_every_setting_and_where_it_is_set(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_file.write_text("[executor.local]\ncores_per_cell = 4\n")
    assert bench(monkeypatch, "show", "executor", "local") == 0
    out = capsys.readouterr().out
    assert "cores_per_cell" in out
    assert str(own_file) in out
    assert "cores_per_cell = 4" in out


def test_what_cells_need_is_no_part_of_what_they_are(tmp_path: Path, registry: Registry) -> None:
    def names(text: str) -> list[str]:
        plan = make_plan(grid_of(tmp_path, text), GridOptions(), tmp_path, tmp_path, check=False)
        return [cell.name for cell in plan.cells]

    plain = GRID.partition("[[resources]]")[0]
    assert len(names(plain)) == 4
    assert names(plain) == names(GRID) == names(GRID.replace("hours = 8", "hours = 80"))


def test_detaching_from_what_ends_with_the_command_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "grid", "table2", "--detach", "--results", tmp_path) == 2
    assert "end with the command" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_told_before_a_cell_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "in_helper", lambda work, *given: work(*given))
    for name in ("NONSENSE", "cuda:99", "meta"):
        assert bench(monkeypatch, "grid", "table2", "--device", name, "--results", tmp_path / "results") == 2
        assert f"device '{name}' can't be used" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_where_no_driver_is_nobody_looks_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "in_helper", lambda work, *given: ["cuda:0"])
    monkeypatch.setattr(devices, "DRIVERS", ())
    monkeypatch.setattr(devices.sys, "platform", "linux")
    assert devices.devices_here() == ["cpu"]
    monkeypatch.setattr(devices, "DRIVERS", ("null",))
    assert devices.devices_here() == ["cuda:0"]


def test_the_expected_cell_is_computed_and_no_other(
    tmp_path: Path, run_tiny: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = {"epochs": 1, "evaluate_every": 1, "batch_size": 8, "metrics": "brightness"}
    request = RunRequest("linear-gan", "discs", 16, settings=tiny)
    wrong = pack(request, tmp_path / "results", tmp_path / "cache", expect="0" * 64)
    assert bench(monkeypatch, *wrong, "--device", "cpu") == 2
    assert "cell 00000000 was asked for" in capsys.readouterr().err
    assert not (tmp_path / "results" / "runs").exists()
    right = pack(request, tmp_path / "results", tmp_path / "cache", expect=resolve(request).spec.identity)
    assert bench(monkeypatch, *right, "--device", "cpu") == 0
    assert list(tmp_path.glob("results/runs/*/record.json"))


def test_a_pipe_in_its_place_is_not_waited_for(own_file: Path) -> None:
    os.mkfifo(own_file)
    with pytest.raises(SpecError, match="it is no file but a pipe"):
        user_file.executor_settings("slurm")
