"""Plans that are known already: without torch, and only while nothing that they rest on changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness import plugins
from harness.cli import main
from harness.errors import BenchError, DataError
from harness.grid import known
from harness.grid.definition import Grid
from harness.grid.known import check_known, known_or_new
from harness.grid.planned import GridOptions, Identified
from harness.plugins import Registry

Ask = Callable[..., tuple[Identified, bool]]
GRID = Grid(
    name="mine", models=("linear-gan",), datasets=("discs",), resolutions=(16,), seeds=(0, 1),
    settings={"metrics": "brightness"},
)  # fmt: skip


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks for the cells of a grid; what a helper would do is done here."""
    monkeypatch.setattr(known, "in_helper", lambda work, *given, **named: work(*given, **named))

    def asked(grid: Grid = GRID, *, check: bool = False, **options: Any) -> tuple[Identified, bool]:
        return known_or_new(
            grid, GridOptions(**options), tmp_path / "results", tmp_path / "cache", check=check
        )

    return asked


def test_what_was_identified_once_is_known(ask: Ask) -> None:
    first, second = ask(), ask()
    assert (first[1], second[1]) == (False, True)
    assert first[0] == second[0]
    assert len(second[0].cells) == 2


@pytest.mark.parametrize(
    "options",
    [{"settings": {"lr": "0.5"}}, {"presets": ("smoke",)}, {"skip_bad": True}, {"device_memory": 0}],
)
def test_another_question_has_another_answer(ask: Ask, options: dict[str, Any]) -> None:
    plain = ask()[0]
    other, is_known = ask(**options)
    assert not is_known
    assert other != plain
    assert ask()[1]


def test_what_computes_cells_is_no_part_of_the_question(ask: Ask) -> None:
    ask()
    resources = ({"resolution": 16, "settings": {"time": "1:00:00"}},)
    assert ask(GRID.narrowed(resources=resources))[1]


def test_a_plugin_whose_source_changed_is_asked_again(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    source = "from bench_example.model import LinearGAN\nclass Mine(LinearGAN):\n    version = 7\n"
    (tmp_path / "bench_mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    class Plugin:
        @plugins.pluggy.HookimplMarker("harness")
        def bench_models(self, register: Any) -> None:
            register("mine", "bench_mine:Mine")

    registry.add(Plugin(), "mine 1")
    grid = GRID.narrowed(models=("mine",))
    assert [ask(grid)[1], ask(grid)[1]] == [False, True]
    (tmp_path / "bench_mine.py").write_text(source + "# another size\n")
    assert not ask(grid)[1]


def test_raw_files_that_changed_are_other_cells(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(4):
        Image.new("L", (20, 20), 20 * number).save(tmp_path / "raw" / f"{number}.png")
    grid = GRID.narrowed(datasets=("folder",))
    roots = {"": tmp_path / "raw"}
    before, _ = ask(grid, roots=roots)
    assert ask(grid, roots=roots)[1]
    Image.new("L", (20, 20), 200).save(tmp_path / "raw" / "3.png")
    after, is_known = ask(grid, roots=roots)
    assert not is_known
    assert {cell.identity for cell in before.cells}.isdisjoint(cell.identity for cell in after.cells)


@pytest.mark.parametrize(
    "harm", [lambda content: content[:-9], lambda content: content.replace(b"discs", b"disco")]
)
def test_a_damaged_plan_is_made_anew(ask: Ask, tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    first, _ = ask()
    (path,) = (tmp_path / "cache" / known.FOLDER).iterdir()
    path.write_bytes(harm(path.read_bytes()))
    assert ask() == (first, False)
    assert ask() == (first, True)


def test_where_no_plan_can_be_kept_it_is_made_each_time(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert ask() == ask()
    assert not ask()[1]


def test_before_a_cell_is_started_all_is_looked_at_again(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench_example.model import LinearGAN

    cells, _ = ask()
    place = (GRID, GridOptions(), tmp_path / "results", tmp_path / "cache")
    check_known(cells, *place)
    # As if its source were the same.
    monkeypatch.setattr(LinearGAN, "version", 99)
    with pytest.raises(BenchError, match="are not what they were"):
        check_known(cells, *place)
    away = (
        GRID.narrowed(datasets=("covid-ct",), settings={"metrics": "swd"}),
        GridOptions(roots={"": tmp_path}),
        *place[2:],
    )
    assert ask(away[0], roots={"": tmp_path})[0].cells[0].identity is None
    with pytest.raises(DataError):
        check_known(cells, *away)


WITHOUT_TORCH = """
import resource, sys
from harness import cli
try:
    cli.main()
except SystemExit as ended:
    print(ended.code, "torch" in sys.modules, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_known_grid_is_listed_without_torch_and_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["bench", "grid", "table2", "--datasets=phantom", "--preset=smoke", "--dry-run"]
    monkeypatch.setattr(sys, "argv", command)
    with monkeypatch.context() as patch, plugins.using(Registry()):
        patch.setattr(known, "in_helper", lambda work, *given, **named: work(*given, **named))
        with pytest.raises(SystemExit, match="0"):
            main()
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *command[1:]],
        env=dict(os.environ), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines()[-1] == "0 False 0", told.stdout + told.stderr
    assert "21 cells, 0 done" in told.stdout
