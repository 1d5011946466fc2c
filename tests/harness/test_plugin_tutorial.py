"""docs/plugins.md: what stands there is a distribution that installs, passes its checks, and runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cell.reserved import RESERVED_NAMES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_block_is_a_file_or_commands_and_short() -> None:
    assert len(BLOCKS) >= 10
    for language, block in BLOCKS:
        assert language == "bash" or re.match(r"# \S+\.(py|toml)\n", block), block[:80]
        assert len(block.splitlines()) <= 60, block.splitlines()[0]


def test_all_reserved_names_are_listed() -> None:
    paragraph = TEXT[TEXT.index("may not use these names") :].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", paragraph)) == RESERVED_NAMES


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("tutorial")
    for language, block in BLOCKS:
        if language != "bash":
            name, _, content = block.partition("\n")
            path = folder / name.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return folder


def test_it_installs_passes_its_checks_and_runs(distribution: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    installer = [sys.executable, "-m", "pip"]
    if subprocess.run([*installer, "--version"], capture_output=True).returncode:
        installer = ["uv", "pip"]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    programs = {
        "pip": [*installer, "install", *options],
        "python": [sys.executable],
        "bench": [sys.executable, "-m", "harness"],
    }
    (commands,) = (block for language, block in BLOCKS if language == "bash")
    said = {}
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        if program == "pip":
            arguments.remove("install")
        answer = subprocess.run(
            [*programs[program], *arguments],
            cwd=distribution,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, f"{line}\n{answer.stdout}{answer.stderr}"
        said[line] = answer.stdout
    assert "bench-tutorial 1.0" in said["bench list models"]
    assert sum("keeps its contract" in text for text in said.values()) == 5
    assert "decoder" in said["bench table 1 --models energy --res 32"]
    (record,) = distribution.glob("results/runs/*/record.json")
    scores = json.loads(record.read_text())["scores"]["best"]
    assert set(scores) == {"contrast", "greys"}
    evaluations = (record.parent / "evaluations.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in evaluations] == ["epoch 2 of 4", "epoch 4 of 4"]


def test_plugins_written_naturally_pass_mypy_strict(distribution: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # Where the core is installed, its types are found; in a checkout they lie here, and are not what is asked.
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={tmp_path / 'types'}"]
    for folder in (distribution, ROOT / "tests" / "plugin_example"):
        answer = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "src"],
            cwd=folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stdout
