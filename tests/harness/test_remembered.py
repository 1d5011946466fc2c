"""What plugins said of themselves is remembered: tables do without asking them, and without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from handmade import plain_record
from typer.testing import CliRunner

from harness import plugins
from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.cli import app
from harness.plugins import Registry
from harness.running.resolve import resolve
from harness.tables import remembered as module
from harness.tables.remembered import NAME, remembered, remembering

PROGRAM = """
import sys
from typer.testing import CliRunner
from harness.cli import app
for command in {commands!r}:
    print(CliRunner().invoke(app, command, catch_exceptions=False).stdout, end="")
print({{"torch", "pandas"}} & set(sys.modules))
"""


def ask(cache: Path, answer: int, about: str = "it") -> int:
    with remembering(cache):
        found: int = remembered("how many", {"of": about}, lambda: answer)
    return found


def test_a_question_is_put_once_while_the_plugins_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(tmp_path, 1) == 1
    assert ask(tmp_path, 2) == 1
    assert ask(tmp_path, 2, about="another") == 2
    with monkeypatch.context() as changed:
        changed.setattr(module, "sources_digest", lambda: "other sources")
        assert ask(tmp_path, 3) == 3
    assert ask(tmp_path, 4) == 4, "what other sources said has taken its place"
    assert remembered("how many", {"of": "it"}, lambda: 5) == 5, "nothing is remembered without a cache"


@pytest.mark.parametrize("content", ["", "{", '{"made_by": "x", "answers": {}, "sha256": "0"}', "[]"])
def test_a_damaged_memory_is_forgotten(tmp_path: Path, content: str) -> None:
    ask(tmp_path, 1)
    (tmp_path / NAME).write_text(content)
    assert ask(tmp_path, 2) == 2
    assert ask(tmp_path, 3) == 2


def test_where_nothing_can_be_kept_plugins_are_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert [ask(tmp_path / "file" / "cache", number) for number in (1, 2)] == [1, 2]


def test_tables_of_known_plugins_do_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    grid = 'models = ["dcgan", "wgan"]\ndatasets = ["phantom"]\nresolutions = [32]\npresets = ["smoke"]\n'
    Path("mine.toml").write_text(grid + 'table.scores = ["swd"]\n')
    commands = [
        ["table", "mine.toml"],
        ["table", "mine.toml", "--against", "published", "--format", "html"],
        ["compare", "dcgan", "wgan", "--metric", "swd"],
    ]
    with plugins.using(Registry()):
        for number, model in enumerate(("dcgan", "wgan")):
            spec = resolve(RunRequest(model, "phantom", 32, presets=("smoke",))).spec
            scores = {"best": {"swd": 10.0 + number}, "last": {}, "selected": {}}
            update = {"spec": spec, "identity": spec.identity, "scores": scores}
            folder = Store(Path("results")).folder(spec)
            folder.path.mkdir(parents=True)
            folder.write_record(plain_record(spec.identity).model_copy(update=update))
        asked = [CliRunner().invoke(app, command, catch_exceptions=False).stdout for command in commands]
    program = PROGRAM.format(commands=commands)
    told = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert "| dcgan | 10.00 |" in told.stdout
    assert told.stdout == "".join(asked) + "set()\n"
