"""What `docs/reliability.md` says is what the code does, and what the campaign last counted."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from campaign.page import counts

from harness.cli.exits import EXIT_CODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    rows = [f"| {code} | {words} |" for code, words in EXIT_CODES.items()]
    assert "\n".join(["| code | meaning |", "|---|---|", *rows, ""]) in PAGE


def test_every_command_exits_by_the_table() -> None:
    """What is written as a number where a process ends is one of the table's."""
    found = set()
    for path in (ROOT / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("sys.exit", "os._exit", "typer.Exit", "SystemExit"):
                found |= {arg.value for arg in ast.walk(node) if isinstance(arg, ast.Constant)}
    assert found <= {code for code in EXIT_CODES} | {128}, "128 is what a signal's number is added to"
    assert found


def test_the_counts_are_those_of_the_last_campaign() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "faults.json").read_text())
    assert counts(found) in PAGE
    assert found["trials"] == sum(row["trials"] for row in found["families"].values())


def test_every_test_that_is_named_is_there() -> None:
    for word in PAGE.split("`"):
        if word.startswith(("tests/", "benchmarks/")):
            assert (ROOT / word).exists(), word
