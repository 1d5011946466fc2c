"""Numbers on the pages of ``results/`` are those of the records that lie beside them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from harness.files import unsealed
from harness.grid.definition import load_grid
from harness.grid.requests import requests_of
from harness.running.resolve import complete
from harness.tables.survey import Installed

RESULTS = Path(__file__).parents[1] / "results"
CHOICES = RESULTS / "hagan-choices"


def test_the_choices_of_hagan_are_those_of_their_records() -> None:
    settings = "reverse_skip_sampling", "reverse_skip_drop", "pixel_branch", "mixing"
    found: dict[tuple[str, ...], dict[int, dict[str, float]]] = defaultdict(dict)
    for path in CHOICES.glob("runs/*/record.json"):
        record = unsealed(json.loads(path.read_text()))
        spec = record["spec"]
        config = spec["model"]["config"]
        choice = spec["dataset"]["name"], *(f"{config[name]}".removesuffix(".0") for name in settings)
        found[choice][spec["seed"]] = record["scores"]["best"]
    lines = (CHOICES / "README.md").read_text().replace("\N{MINUS SIGN}", "-").replace("`", "").splitlines()
    rows = [
        [part.strip() for part in line.strip("| ").split("|")]
        for line in lines
        if "plain | " in line or "augmented | " in line
    ]
    told = {tuple(row[:5]): row[5:] for row in rows if len(row) == 8}
    assert told.keys() == found.keys()
    for choice, by_metric in told.items():
        assert sorted(found[choice]) == [0, 1, 2]
        for name, digits, shown in zip(
            ("swd", "kid_random", "ms_ssim_gap"), (1, 3, 2), by_metric, strict=True
        ):
            assert shown == ", ".join(f"{found[choice][seed][name]:.{digits}f}" for seed in (0, 1, 2)), choice


@pytest.mark.parametrize(
    "path", sorted(RESULTS.glob("*/*.toml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_every_grid_is_one_that_can_be_run_and_shown(path: Path) -> None:
    grid = load_grid(str(path))
    scores = set(Installed().scores(grid.table.scores))
    for asked in requests_of(grid.narrowed(seeds=grid.seeds[:1])):
        computed = complete(asked.request).protocol.metrics
        assert {Installed().metric_of(score) for score in scores} <= set(computed)


def test_every_folder_is_told_of() -> None:
    told = (RESULTS / "README.md").read_text()
    for page in RESULTS.glob("*/README.md"):
        assert f"({page.parent.name}/README.md)" in told


def test_the_page_of_utility_says_what_its_records_say() -> None:
    page = (RESULTS / "utility-check" / "README.md").read_text().replace("\N{MINUS SIGN}", "-")
    told = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    shown = "utility_real", "utility", "utility_gain_both", "utility_gap", "utility_gain"
    records = [
        unsealed(json.loads(path.read_text())) for path in RESULTS.glob("utility-check/runs/*/record.json")
    ]
    assert {"dcgan", "hagan"} == {record["spec"]["model"]["name"] for record in records}
    for record in records:
        values = record["scores"]["best"] | record["context"]
        name = record["spec"]["model"]["name"]
        cells = [f"{values[one]:.3f} \N{PLUS-MINUS SIGN} {values[f'{one}_se']:.3f}" for one in shown]
        assert told[name] == f"| {name} | {' | '.join(cells)} | {values['swd']:.1f} |"


def test_the_page_of_modern_models_says_what_its_records_say() -> None:
    page = (RESULTS / "modern-check" / "README.md").read_text()
    told = {line for line in page.split("## What came out")[1].splitlines() if line.startswith("| ")}
    down, up = "\N{DOWNWARDS ARROW}", "\N{UPWARDS ARROW}"
    shown = {f"| model | trained | swd {down} | frd {down} |"}
    shown |= {f"| translator | trained | mae {down} | psnr {up} | ssim {up} | swd {down} |"}
    for path in RESULTS.glob("modern-check/runs/*/record.json"):
        record = unsealed(json.loads(path.read_text()))
        spec, best = record["spec"], record["scores"]["best"]
        epochs = spec["protocol"]["epochs"]
        trained = "untrained" if epochs == 1 else f"{epochs} epochs"
        digits = {"mae": 3, "psnr": 1, "ssim": 3, "swd": 1} if "mae" in best else {"swd": 1, "frd": 2}
        values = " | ".join(f"{best[score]:.{places}f}" for score, places in digits.items())
        shown.add(f"| {spec['model']['name']} | {trained} | {values} |")
    assert told == shown
