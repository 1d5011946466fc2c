"""Generators of known merit: each has the marks that it deserves, and none that it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from bench_faulty.planted import Kind, PlantedConfig, made

from harness.api import Population
from harness.cell.records import Record, Store
from harness.grid.definition import Grid
from harness.running.cell import Outcome
from harness.scoring.metrics.manifold import Manifold
from harness.scoring.metrics.patches import SlicedWasserstein
from harness.scoring.metrics.structure import PairwiseMSSSIM
from harness.scoring.report import Report
from harness.scoring.scorer import Scorer
from harness.scoring.spaces.radiomics.space import Radiomics
from harness.tables.scores import score_sheet
from harness.tables.survey import survey

COUNT, SIDE = 120, 64
METRICS = "swd,manifold_radiomics"

Judge = Callable[[Kind], Report]


@pytest.fixture(scope="module")
def judge() -> Judge:
    """What is said of a generator's images, beside those of 15 people that it trained on."""
    metrics = {
        "swd": SlicedWasserstein(),
        "ms_ssim": PairwiseMSSSIM(),
        "manifold": Manifold("radiomics"),
    }
    patients = np.repeat([f"p{number:02d}" for number in range(COUNT // 8)], 8)
    real = Population(pictures("copier"), patients)
    scorer = Scorer(metrics, {"radiomics": Radiomics(None)}, real, None, torch.device("cpu"), None)
    known: dict[str, Report] = {}

    def report(kind: Kind) -> Report:
        return known.setdefault(kind, scorer.report(pictures(kind)))

    return report


def pictures(kind: Kind) -> np.ndarray:
    return made(SIDE, PlantedConfig(kind=kind, images=COUNT))


@pytest.mark.parametrize("kind", ["copier", "noisy copier", "augmented copier"])
def test_a_copier_is_told(judge: Judge, kind: Kind) -> None:
    report = judge(kind)
    assert any("possible copying" in caveat for caveat in report.caveats), report
    assert report.scores["copy_excess"] > 0.15


@pytest.mark.parametrize("kind", ["perfect", "collapsed", "noise"])
def test_who_copies_nothing_is_not(judge: Judge, kind: Kind) -> None:
    report = judge(kind)
    assert not report.caveats
    assert report.scores["copy_excess"] < 0.1


@pytest.mark.parametrize("kind", ["collapsed", "noise"])
def test_no_score_takes_a_collapsed_model_or_noise_for_a_perfect_one(judge: Judge, kind: Kind) -> None:
    perfect, bad = judge("perfect").scores, judge(kind).scores
    for name in ("swd", "ms_ssim_gap"):
        assert perfect[name] < 0.5 * bad[name], name
    for name in ("recall", "coverage"):
        assert perfect[name] > bad[name] + 0.1, name


Tabled = Callable[[Kind], tuple[Record, str, str]]


@pytest.fixture
def tabled(run_tiny: Callable[..., Outcome], tmp_path: Path) -> Iterator[Tabled]:
    """The record of a generator that was shown flipped and shifted images, and its cell in a table."""

    def run(kind: Kind) -> tuple[Record, str, str]:
        settings = {
            "kind": kind,
            "images": COUNT,
            "augment": ("flip", "shift"),
            "dataset.images": COUNT,
            "dataset.size": SIDE,
            "epochs": 1,
            "evaluate_every": 1,
            "metrics": METRICS,
        }
        run_tiny(model="planted", dataset="phantom", resolution=SIDE, settings=settings)
        grid = Grid(
            name="one", title="", models=["planted"], datasets=["phantom"], resolutions=[SIDE], seeds=[0]
        )
        found = survey(Store(tmp_path / "results"))
        sheet = score_sheet(grid, found, scores=["swd"])
        (result,) = found.results
        return result.record, sheet.rows[0][1].text, "\n".join(sheet.notes)

    return run


def test_a_table_marks_who_copies_augmented_images(tabled: Tabled) -> None:
    record, cell, notes = tabled("augmented copier")
    assert any("possible copying" in caveat for caveat in record.caveats)
    assert cell.endswith("†‡")
    assert "possible copying" in notes
    assert "a better model would not score better" in notes


def test_a_table_does_not_mark_a_perfect_model_as_a_copier(tabled: Tabled) -> None:
    record, cell, notes = tabled("perfect")
    assert not record.caveats
    assert "†" not in cell
    assert "copying" not in notes
