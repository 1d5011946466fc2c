"""The table of speeds on the first page of the project, from the results of ``training.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _report

from harness.files import atomic_write

PAGE = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- speed: python benchmarks/training.py -->", "<!-- end of the speed -->"


def with_speeds(text: str, numbers: Mapping[str, Any]) -> str:
    """A page with these speeds in their place."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for speeds, between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{speeds(numbers)}\n\n{END}{after}"


def speeds(numbers: Mapping[str, Any]) -> str:
    """So many times as fast is each model, by the side of the images."""
    ratios = {
        (found["side"], found["model"]): f"{found['ratio']['median']:.2f}"
        for found in numbers["steps"]
        if "ratio" in found
    }
    models = list(dict.fromkeys(model for _, model in ratios))
    batches = {found["side"]: found["batch"] for found in numbers["steps"]}
    rows = [
        [f"{side} px, batch {batch}", *(ratios.get((side, model), "") for model in models)]
        for side, batch in sorted(batches.items())
    ]
    return _report.table(["", *models], rows)


def publish(numbers: Mapping[str, Any]) -> None:
    """Put these speeds on the first page."""
    text = with_speeds(PAGE.read_text(encoding="utf-8"), numbers)
    with atomic_write(PAGE) as file:
        file.write(text.encode())
