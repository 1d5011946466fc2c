"""What pages say of speed is what was measured."""

from __future__ import annotations

import json

import _first_page
import _report
import pytest
import training

NUMBERS = json.loads((_report.RESULTS / "training.json").read_text(encoding="utf-8"))


def test_the_speeds_on_the_first_page_were_measured() -> None:
    text = _first_page.PAGE.read_text(encoding="utf-8")
    assert _first_page.with_speeds(text, NUMBERS) == text, "python benchmarks/training.py writes them"


def test_the_page_of_training_shows_its_numbers() -> None:
    assert (_report.RESULTS / "training.md").read_text(encoding="utf-8") == training.page(NUMBERS)


def test_speeds_find_their_place_and_nothing_else_changes() -> None:
    numbers = {
        "steps": [
            {"model": "wgan", "side": 64, "batch": 32, "ratio": {"median": 1.615}},
            {"model": "wgan", "side": 256, "batch": 2, "error": "exit 1"},
        ]
    }
    page = f"before\n{_first_page.BEGIN}\nold\n{_first_page.END}\nafter\n"
    head = "|  | wgan |\n| --- | ---: |\n"
    rows = "| 64 px, batch 32 | 1.61 |\n| 256 px, batch 2 |  |"
    expected = f"before\n{_first_page.BEGIN}\n\n{head}{rows}\n\n{_first_page.END}\nafter\n"
    assert _first_page.with_speeds(page, numbers) == expected
    with pytest.raises(ValueError, match="no place"):
        _first_page.with_speeds("before\nafter\n", numbers)


def test_a_line_that_is_measured_anew_takes_the_place_of_the_old_one() -> None:
    old = [{"side": 64, "model": "dcgan", "n": 1}, {"side": 256, "model": "dcgan", "n": 1}]
    found = training.with_line(old, {"side": 64, "model": "dcgan", "n": 2})
    found = training.with_line(found, {"side": 64, "model": "hagan", "n": 2})
    assert [(line["side"], line["model"], line["n"]) for line in found] == [
        (64, "dcgan", 2),
        (64, "hagan", 2),
        (256, "dcgan", 1),
    ]
