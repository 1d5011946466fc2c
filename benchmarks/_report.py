"""How the benchmarks here keep what they measure: a JSON file, and the same as a page of Markdown."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.files import atomic_write, write_json

RESULTS = Path(__file__).parent / "results"


def arguments(doc: str) -> argparse.ArgumentParser:
    """A parser that shows a script's own words."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def publish(
    name: str, numbers: Mapping[str, Any], text: str, *, out: Path = RESULTS, device: str = "cpu"
) -> None:
    """Write ``name.json``, with what it was made with, and ``name.md``, and print the page."""
    machine, packages = made_with(device)
    write(name, {**numbers, "machine": machine, "versions": packages}, text, out)


def write(name: str, numbers: Mapping[str, Any], text: str, out: Path) -> None:
    """The same, of numbers that say for themselves what each was made with."""
    write_json(out / f"{name}.json", numbers)
    with atomic_write(out / f"{name}.md") as file:
        file.write(text.encode())
    print(text)


def made_on(device: str = "cpu") -> dict[str, Any]:
    """What a number was made with, in short: for results that are made in several runs."""
    machine, packages = made_with(device)
    kept = {key: machine[key] for key in ("gpu", "cpu", "threads") if key in machine}
    return {**kept, **{key: packages[key] for key in ("python", "torch")}, "load": os.getloadavg()[0]}


def words_of(on: Mapping[str, Any]) -> str:
    """The same in words."""
    gpu = f"{on['gpu']}, " if "gpu" in on else ""
    return f"{gpu}{on['cpu']}, {on['threads']} threads, Python {on['python']}, torch {on['torch']}"


def numbers_in(name: str, folder: Path) -> dict[str, Any]:
    """What was measured before; nothing if there is no such file."""
    file = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def made_with(device: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Machine and versions."""
    import torch  # not above: processes that read volumes import this file, and need no torch

    from harness.running.environment import describe, versions

    return describe(torch.device(device)), versions()


def machine_words(device: str = "cpu") -> str:
    """What the numbers were made on, in a sentence."""
    machine, packages = made_with(device)
    gpu = f"{machine['gpu']}; " if "gpu" in machine else ""
    return (
        f"{gpu}{machine['cpu']}, {machine['threads']} threads, load {os.getloadavg()[0]:.1f} at the end; "
        f"Python {packages['python']}, torch {packages['torch']}."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def in_process(script: str, part: str, **settings: Any) -> dict[str, Any]:
    """What ``script --part PART --settings JSON`` prints in its last line: a process of its own.

    Its peak memory is its own too, and what breaks it leaves the others alone.
    """
    command = [sys.executable, script, "--part", part, "--settings", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no words"])[-1]
        return {"error": f"exit {done.returncode}: {last}"}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
