"""Where raw files are: one option and one variable, with one meaning in every command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.cli import app, data, figure, grid, report, run, sample, score
from harness.cli.options import Roots, data_root_of, roots_of
from harness.errors import SpecError

COMMANDS = [
    run.run, grid.grid, grid.ablate, sample.sample, score.score, figure.figure, report.report,
    data.prepare, data.info, data.verify,
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_same_option(command: Callable[..., Any]) -> None:
    assert get_type_hints(command, include_extras=True)["data_root"] == Roots


def test_a_root_is_of_one_data_set_or_of_all(tmp_path: Path) -> None:
    (tmp_path / "acdc").mkdir()
    assert data_root_of("acdc", None) is None
    assert data_root_of("acdc", [tmp_path]) == tmp_path / "acdc"
    assert data_root_of("folder", [tmp_path]) == tmp_path
    given = [tmp_path, Path(f"acdc={tmp_path}")]
    assert data_root_of("acdc", given) == tmp_path
    assert data_root_of("acdc", [Path(f"folder={tmp_path}")]) is None


def test_a_folder_whose_name_has_an_equals_sign_is_a_folder() -> None:
    assert roots_of([Path("/data/run=3/acdc")]) == {"": Path("/data/run=3/acdc")}
    assert roots_of([Path("acdc=/data/run=3")]) == {"acdc": Path("/data/run=3")}


@pytest.mark.parametrize("texts", [("a", "b"), ("acdc=a", "acdc=b")])
def test_two_folders_for_one_are_refused(texts: tuple[str, str]) -> None:
    with pytest.raises(SpecError, match="two folders for") as caught:
        roots_of([Path(text) for text in texts])
    assert caught.value.hint == "--data-root NAME=DIR"


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "prepare", "--dataset", "folder", "--res", "16"],
        ["run", "--model", "dcgan", "--dataset", "folder", "--res", "64", "--dry-run"],
        ["grid", "table2", "--models", "dcgan", "--datasets", "folder", "--seeds", "0", "--dry-run"],
        ["score", "--dataset", "folder", "--generated", "made.npy", "--metrics", "swd", "--device", "cpu"],
    ],
)
@pytest.mark.parametrize("roots", [["my data"], ["elsewhere", "folder=my data/folder"]])
def test_the_variable_means_the_same_to_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], roots: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "my data" / "folder"
    raw.mkdir(parents=True)
    for number in range(12):
        Image.new("L", (20, 20), 20 * number).save(raw / f"{number}.png")
    np.save(tmp_path / "made.npy", np.zeros((12, 1, 32, 32), np.uint8))
    # Both the common folder with one for each set, and a list; and a blank, which separates nothing.
    monkeypatch.setenv("HAGAN_BENCH_DATA", os.pathsep.join(roots))
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
