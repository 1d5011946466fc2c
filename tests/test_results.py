"""Numbers on the pages of ``results/`` are those of the records that lie beside them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from harness.files import unsealed

CHOICES = Path(__file__).parents[1] / "results" / "hagan-choices"


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
