"""Whoever scores on held-out patients is told where nobody knows who they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.cli import app
from harness.running.cell import Settings, run_cell


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "mine"
    for split, count in (("train", 12), ("test", 6)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(root / split / f"person{split}{number // 2}_{number}.png")
    return root


@pytest.mark.parametrize(
    ("options", "is_told"), [({}, True), ({"dataset.patient": r"(person[a-z]+\d+)_"}, False)]
)
@pytest.mark.parametrize("held_out", [True, False])
def test_a_record_carries_the_caveat(
    pictures: Path, tmp_path: Path, registry: object, options: dict[str, str], is_told: bool, held_out: bool
) -> None:
    tiny = {"epochs": 2, "evaluate_every": 2, "batch_size": 4, "metrics": "brightness", "held_out": held_out}
    request = RunRequest(
        model="linear-gan", dataset="folder", resolution=16, data_root=pictures, settings={**tiny, **options}
    )
    place = Settings(Store(tmp_path / "results"), tmp_path / "cache", device="cpu", workers=1)
    record = run_cell(request, place).record
    said = [caveat for caveat in record.caveats if "nothing tells the patients of 18 files" in caveat]
    assert bool(said) == (is_told and held_out)


def test_bench_score_carries_the_caveat(pictures: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "made.npy", np.random.default_rng(1).integers(0, 255, (6, 16, 16), dtype=np.uint8))
    command = ["score", "--generated", str(tmp_path / "made.npy"), "--dataset", "folder", "--data-root",
               str(pictures), "--metrics", "swd", "--device", "cpu", "--out", str(tmp_path / "s.json")]  # fmt: skip
    for further, is_told in (([], False), (["--held-out"], True)):
        result = CliRunner().invoke(app, [*command, *further])
        assert result.exit_code == 0, result.output
        report = json.loads((tmp_path / "s.json").read_text())
        said = [caveat for caveat in report["caveats"] if "nothing tells the patients of 18 files" in caveat]
        assert bool(said) == is_told
        assert (report["n_held_out"] == 6) == is_told
