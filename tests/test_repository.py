"""What the repository says of itself is true."""

from __future__ import annotations

import configparser
import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_tree_in_the_docs_is_the_tree() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "tree.py"))
    assert page["written"]() == page["tree"](), "python docs/tree.py --write"


def test_the_tree_is_what_git_has() -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "harness", "models", "datasets"], capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [Path(line) for line in listed.stdout.splitlines()]
    names = [path.name for path in files if path.suffix == ".py" and path.name != "__init__.py"]
    lines = [
        line.split()[0] for line in runpy.run_path(str(ROOT / "docs" / "tree.py"))["written"]().splitlines()
    ]
    assert sorted(line for line in lines if not line.endswith("/")) == sorted(names)


def test_no_file_is_longer_than_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for folder in ("harness", "models", "datasets")
        for path in (ROOT / folder).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long


def workflows() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}


def test_every_environment_of_tox_is_run_for_every_change() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    wanted = {name.strip() for name in tox["tox"]["env_list"].split(",")}
    assert set(re.findall(r"environment: (\w+)", workflows()["tests.yml"])) == wanted


def test_actions_are_named_by_commit() -> None:
    used = [use for text in workflows().values() for use in re.findall(r"uses: (\S+)", text)]
    assert len(used) > 4
    assert [use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)] == []


def test_the_citation_names_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
