"""Numbers on the pages of ``results/`` are those of the records that lie beside them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

from harness.files import unsealed

CHOICES = Path(__file__).parents[1] / "results" / "hagan-choices"


def test_the_choices_of_hagan_are_those_of_their_records() -> None:
    scores: dict[tuple[str, float], dict[int, float]] = defaultdict(dict)
    for path in CHOICES.glob("runs/*/record.json"):
        record = unsealed(json.loads(path.read_text()))
        config = record["spec"]["model"]["config"]
        if record["spec"]["dataset"]["name"] == "covid-ct":
            if (config["pixel_branch"], config["mixing"]) == ("lateral", "plain"):
                choice = config["reverse_skip_sampling"], config["reverse_skip_drop"]
                scores[choice][record["spec"]["seed"]] = record["scores"]["best"]["swd"]
    rows = re.findall(
        r"^\| `(mean|off)`.*?\| ([0-9.]+).*?\| ([0-9., ]+) \|", (CHOICES / "README.md").read_text(), re.M
    )
    assert len(rows) == len(scores) > 0
    for sampling, drop, told in rows:
        by_seed = scores[sampling, float(drop)]
        assert told == ", ".join(f"{by_seed[seed]:.1f}" for seed in sorted(by_seed))
