"""Damaged raw files that were left out on request: everything that opens the images again must know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bench_example.dataset import Discs

from harness.api import Slice
from harness.cell.records import Store
from harness.cell.spec import RunRequest
from harness.cli.score import score
from harness.errors import DataError
from harness.plugins import Registry
from harness.running.cell import run_cell
from harness.running.images import CellImages
from harness.running.place import Settings

TINY = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": "brightness"}


@pytest.fixture(autouse=True)
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the ten patients can't be read."""
    read = Discs.read

    def with_damage(self: Discs, item: str) -> Iterator[Slice]:
        if item == "patient003":
            raise DataError("patient003 is truncated")
        yield from read(self, item)

    monkeypatch.setattr(Discs, "read", with_damage)


@pytest.mark.parametrize("cache", ["cache", "another"])
def test_images_of_a_cell_that_left_files_out_open_again(tmp_path: Path, cache: str) -> None:
    settings = Settings(
        Store(tmp_path / "results"), tmp_path / "cache", device="cpu", workers=1, skip_bad=True
    )
    record = run_cell(RunRequest("linear-gan", "discs", 16, 0, TINY), settings).record
    assert [entry["item"] for entry in record.dataset["skipped"]] == ["patient003"]
    # Figures, samples and the report open them by this, from what was prepared or from the raw files.
    task = CellImages({}, tmp_path / cache)(record.spec)
    assert len(task.train) == record.n_real == 36


def test_score_leaves_them_out_on_request_and_says_so(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.cli.score.registry", lambda: registry)
    generated = tmp_path / "made.npy"
    np.save(generated, np.zeros((4, 1, 16, 16), np.uint8))

    def scored(*, skip_bad: bool) -> None:
        score(
            generated, dataset="discs", metrics="brightness", held_out=False, cross_check=False,
            out=tmp_path / "scores.json", cache=tmp_path / "cache", device="cpu", skip_bad=skip_bad,
        )  # fmt: skip

    with pytest.raises(DataError, match="truncated") as caught:
        scored(skip_bad=False)
    assert "--skip-bad" in caught.value.hint
    scored(skip_bad=True)
    assert "4 generated against 36 real, 1 items skipped" in capsys.readouterr().out
    written = json.loads((tmp_path / "scores.json").read_text())
    assert [entry["item"] for entry in written["skipped"]] == ["patient003"]
