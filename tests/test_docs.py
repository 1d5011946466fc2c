"""Every command of the documentation parses, the tutorial runs, and links within it lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import app
from harness.plugins import Registry

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def commands_of(page: Path) -> Iterator[str]:
    """Everything on a page that one may type and that begins with ``bench``."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    |\$ )?(bench .*)$", text, re.MULTILINE)
    for line in [*lines, *re.findall(r"`(bench [^`\n]+)`", text)]:
        yield re.split(r" +#|\||;|&&| > ", line)[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_parses(page: Path, registry: Registry) -> None:
    wrong = {}
    for line in commands_of(page):
        command, words = typer.main.get_command(app), shlex.split(line)[1:]
        # As click goes down to the command that is meant, without running it.
        while (subcommands := getattr(command, "commands", None)) and words and words[0] in subcommands:
            command, words = subcommands[words[0]], words[1:]
        if subcommands and (not words or words[0].startswith("-") or words[0] == "COMMAND"):
            continue  # a group of commands, of which a sentence speaks
        try:
            command.make_context(command.name, list(words))
        except SystemExit:
            continue
        except Exception as error:  # of click, wherever it comes from
            # A sentence may name a command without all that it needs, and say N where a number belongs.
            is_sentence = any(re.fullmatch(r"[A-Z]+|\.\.\.", word) for word in words)
            if "Missing" not in str(error) and type(error).__name__ != "Exit" and not is_sentence:
                wrong[line] = f"{type(error).__name__}: {error}"
    assert wrong == {}


def test_a_wrong_option_would_be_found(tmp_path: Path, registry: Registry) -> None:
    page = tmp_path / "page.md"
    page.write_text("    bench run --model hagan --dataset phantom --resolution 32\n")
    with pytest.raises(AssertionError, match="resolution"):
        test_every_command_parses(page, registry)


def slug(heading: str) -> str:
    """The name of a heading's place."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_links_lead_somewhere() -> None:
    broken = []
    for page in [*PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY"))]:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, place = link.partition("#")
            if re.match(r"\w+:", link) or path.startswith("reference/") or "/reference/" in path:
                continue  # elsewhere, or made when the site is built, which follows them itself
            target = (page.parent / path).resolve() if path else page
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if place else []
            if not target.exists() or (place and place not in map(slug, headings)):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """Its commands, with a shorter training of smaller networks: ``smoke`` for ``quick``."""
    monkeypatch.chdir(tmp_path)
    grid, *others = re.findall(r"^```toml\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    assert not others
    said = ""
    tiny = ["--set", "dataset.images=24", "--set", "dataset.size=64", "--set", "epochs=1"]
    smaller = 'settings = { "dataset.images" = 24, "dataset.size" = 64, epochs = 1 }'
    narrow = '[[overrides]]\nmodel = "hagan"\nsettings = { width = 64 }\n'
    assert 'presets = ["quick"]\n' in grid
    shorter = grid.replace('presets = ["quick"]\n', f'presets = ["smoke"]\n{smaller}\n')
    Path("mine.toml").write_text(f"{shorter}\n{narrow}")
    for block in re.findall(r"^```bash\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line.replace("--preset quick", "--preset smoke"))[1:]
            if words[0] == "run":
                words += tiny if "--set" in words else [*tiny, "--set", "width=64"]
            elif words[:2] == ["show", "run"]:
                words[2] += "-phantom-32-s0"
            answer = CliRunner().invoke(app, words, catch_exceptions=False)
            assert answer.exit_code == 0, f"{line}\n{answer.output}"
            said += answer.stdout
    assert "| hagan |" in said
    planned = CliRunner().invoke(app, ["grid", "mine.toml", "--dry-run"], catch_exceptions=False)
    assert "4 cells, 4 done" in planned.stdout  # the grid's cells are those that were trained by hand
    assert "\\begin{tabular}" in said
    assert "No test is made" in said
    assert Path("results/report.html").exists()
