"""The paired task: from a request for two modalities to a record, a table and a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_example.dataset import Discs
from PIL import Image

from harness.api import Pair, ScoreError, Slice
from harness.cell.logs import read_log
from harness.cell.records import Store
from harness.cell.spec import RunSpec, pair_of
from harness.cli.figure import figure
from harness.data.image_set import ImageSet
from harness.data.layers import SOURCE
from harness.data.prepare import prepare
from harness.errors import DataError, Interrupted, SpecError
from harness.grid.definition import load_grid
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.environment import pick_device
from harness.running.images import CellImages
from harness.running.model import load_model
from harness.tables.scores import score_sheet
from harness.tables.sheets import render
from harness.tables.survey import Installed, survey
from harness.tasks import Translation, task_of
from harness.views.report import make_report

Run = Callable[..., Outcome]
PAIR = {"source": "disc", "target": "ring"}


@pytest.fixture
def translate(run_tiny: Run) -> Run:
    """Run a tiny cell of the example's translator."""

    def run(**request: Any) -> Outcome:
        settings = {"metrics": "mae,psnr", **request.pop("settings", {})}
        return run_tiny(**{"model": "one-convolution", **PAIR, **request}, settings=settings)

    return run


def val_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let patients 1 and 6 choose the best evaluation."""
    read = Discs.read

    def with_validation(self: Discs, item: str) -> Any:
        for piece in read(self, item):
            split = "val" if int(item[-3:]) % 5 == 1 else piece.split
            yield Slice(**{**vars(piece), "split": split})

    monkeypatch.setattr(Discs, "read", with_validation)


def test_record_has_scores_whole_and_inside_regions_of_held_out_slices(translate: Run) -> None:
    record = translate().record
    assert record.status == "complete"
    assert record.spec.dataset.pair == Pair("disc", "ring")
    assert record.spec.protocol.held_out
    # Patients 0 and 5 of 10 are for testing, with 4 slices each.
    assert (record.n_real, record.n_generated, record.dataset["held_out_patients"]) == (32, 8, 2)
    assert record.dataset["regions"] == {"inside": 8}
    for which in ("best", "last"):
        assert record.scores[which].keys() == {"mae", "mae/inside", "psnr", "psnr/inside"}
    assert record.context["mae/inside_n"] == 8
    assert record.score_versions["metrics"] == {"mae": 1, "psnr": 1}


def test_scores_are_of_what_the_networks_make_of_held_out_sources(translate: Run, tmp_path: Path) -> None:
    outcome = translate(settings={"channels": 1})
    model = load_model(outcome.folder, pick_device("cpu"), "last")
    task = CellImages({}, tmp_path / "cache")(outcome.record.spec)
    source, target = task.held_out.source / 127.5 - 1, task.held_out.images / 255
    with torch.no_grad():
        made = model.translate(torch.from_numpy(source).float()).numpy() / 2 + 0.5
    error = np.abs(made - target)
    inside = task.held_out.regions["inside"]
    expected = [error.mean(), np.mean([e[m].mean() for e, m in zip(error, inside, strict=True)])]
    found = [outcome.record.scores["last"][name] for name in ("mae", "mae/inside")]
    assert found == pytest.approx(expected, abs=0.5 / 255)


def test_training_makes_translations_better(translate: Run) -> None:
    short, long = (translate(settings={"epochs": epochs}).record for epochs in (1, 40))
    assert long.scores["last"]["mae"] < 0.7 * short.scores["last"]["mae"]


def test_validation_patients_choose_and_test_patients_score(
    translate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = translate().record
    assert "without validation patients the held-out ones chose" in without.notes[0]
    val_split(monkeypatch)
    monkeypatch.setattr(Discs, "version", 2)
    scored: list[int] = []
    choose, score = Translation.preview, Translation.generate
    monkeypatch.setattr(Translation, "preview", lambda *a: (scored.append(1), choose(*a))[1])
    monkeypatch.setattr(Translation, "generate", lambda *a: (scored.append(2), score(*a))[1])
    outcome = translate()
    record = outcome.record
    assert record.notes == []
    assert (record.n_real, record.n_generated) == (24, 8)
    # Two looks at validation slices during training; then the test slices, once or twice.
    assert scored[:2] == [1, 1]
    assert set(scored[2:]) == {2}
    previews = [line["scores"] for line in read_log(outcome.folder.log) if "scores" in line]
    assert record.scores["last"] != previews[-1]


@pytest.mark.parametrize("steps", [0, 3, 11])
def test_interrupted_and_resumed_translator_ends_with_the_same_bits(
    translate: Run, tmp_path: Path, steps: int
) -> None:
    asked = iter(range(10**9))
    whole = translate(results=tmp_path / "whole").folder
    with pytest.raises(Interrupted):
        translate(results=tmp_path / "cut", stop=lambda: next(asked) >= steps)
    cut = translate(results=tmp_path / "cut").folder
    assert cut.best.read_bytes() == whole.best.read_bytes()
    assert cut.samples.read_bytes() == whole.samples.read_bytes()


def test_further_metric_scores_a_finished_translator(translate: Run) -> None:
    first = translate()
    more = translate(settings={"metrics": "mae,psnr,swd"})
    assert more.folder == first.folder
    assert "swd" in more.record.scores["last"]
    assert more.record.scores["best"]["mae/inside"] == first.record.scores["best"]["mae/inside"]


def test_both_directions_are_cells_of_their_own(translate: Run, tmp_path: Path) -> None:
    there = translate().folder.path.name
    back = translate(source="ring", target="disc").folder.path.name
    assert there.startswith("one-convolution-discs-disc-ring-16-s0-")
    assert there != back
    spec = RunSpec.model_validate_json((tmp_path / "results" / "runs" / there / "spec.json").read_bytes())
    assert spec.dataset.pair == Pair("disc", "ring")
    assert there.endswith(spec.identity[:8])


@pytest.mark.parametrize(
    ("request_", "found", "advice"),
    [
        ({"source": "", "target": ""}, "none was named", "--source disc --target ring"),
        ({"target": ""}, "a source modality, disc, without a target", "--source disc --target NAME"),
        ({"model": "linear-gan"}, "cannot translate disc", "leave out --source and --target"),
        ({"target": "disc"}, "source and target are both disc", "--source disc --target ring"),
        ({"target": "rink"}, "unknown modality of dataset discs 'rink'", "bench show dataset discs"),
        ({"dataset": "covid-ct"}, "dataset covid-ct has no pairs", "bench list datasets"),
    ],
)
def test_what_is_no_pair_is_told_with_what_to_type(
    translate: Run, request_: dict[str, str], found: str, advice: str
) -> None:
    with pytest.raises(SpecError, match=found) as caught:
        translate(**request_)
    assert advice in caught.value.hint


def test_scores_of_pairs_need_pairs(run_tiny: Run) -> None:
    with pytest.raises(ScoreError, match="psnr compares each image with its own target"):
        run_tiny(settings={"metrics": "brightness,psnr"})


def broken(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the first patient's slices of pairs have other attributes."""
    read = Discs.read

    def changed(self: Discs, item: str) -> Any:
        for piece in read(self, item):
            yield Slice(**{**vars(piece), **(changes if item == "patient000" else {})})

    monkeypatch.setattr(Discs, "read", changed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"counterpart": None}, "no counterpart in disc"),
        ({"counterpart": np.zeros((16, 32), np.float32)}, "32 x 32 pixels, but its disc 32 x 16"),
        ({"counterpart": np.full((32, 32), np.nan, np.float32)}, "disc of patient000, slice 0"),
        ({"labels": np.zeros((8, 8), np.uint8)}, "but its labels 8 x 8"),
        ({"labels": np.full((32, 32), 2, np.uint8)}, "the label 2"),
        ({"labels": np.zeros((32, 32), bool)}, "labels of bool"),
    ],
)
def test_slices_that_make_no_pair_are_named_or_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    broken(monkeypatch, **changes)
    discs = Discs(None, Discs.Config()).paired(Pair("disc", "ring"))
    with pytest.raises(DataError, match=words):
        prepare(discs, "discs", [16], tmp_path)
    left = prepare(discs, "discs", [16], tmp_path, skip_bad=True)[16]
    assert [entry["item"] for entry in left.skipped] == ["patient000"]


def test_a_region_that_nobody_shows_has_no_score_and_a_note(
    translate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Discs.read
    monkeypatch.setattr(
        Discs, "read", lambda self, item: (Slice(**{**vars(p), "labels": None}) for p in read(self, item))
    )
    outcome = translate()
    assert outcome.record.scores["best"].keys() == {"mae", "psnr"}
    assert outcome.record.dataset["regions"] == {"inside": 0}
    assert "no held-out image has the region inside" in outcome.record.notes[0]
    assert "NaN" not in outcome.folder.record.read_text()


def test_pairs_are_kept_beside_each_other_and_selected_together(tmp_path: Path) -> None:
    discs = Discs(None, Discs.Config())
    alone = prepare(discs, "discs", [16], tmp_path)[16]
    pairs = prepare(discs.paired(Pair("disc", "ring")), "discs", [16], tmp_path)[16]
    assert pairs.fingerprint != alone.fingerprint
    assert alone.source is None
    assert np.array_equal(pairs.source, alone.images)
    assert np.array_equal(pairs.regions["inside"], alone.images >= 128)
    few = pairs.limit(5)
    rows = [int(np.flatnonzero((pairs.images == image).all((1, 2, 3)))[0]) for image in few.images]
    assert np.array_equal(few.source, pairs.source[rows])
    assert np.array_equal(few.regions["inside"], pairs.regions["inside"][rows])
    assert pairs.home is not None
    (pairs.home / SOURCE).write_bytes((pairs.home / SOURCE).read_bytes()[:-1])
    with pytest.raises(DataError, match="not a prepared image set"):
        ImageSet.open(pairs.home)


def test_samples_fewer_than_all_are_the_same_slices_for_every_seed(translate: Run) -> None:
    records = [translate(settings={"samples": 4}, seed=seed).record for seed in (0, 1)]
    assert [record.n_generated for record in records] == [4, 4]
    assert all("held-out ones chose" in record.notes[-1] for record in records)


def test_translations_are_drawn_by_number(translate: Run, tmp_path: Path) -> None:
    outcome = translate()
    model = load_model(outcome.folder, pick_device("cpu"), "best")
    opened = CellImages({}, tmp_path / "cache")
    draw = task_of(type(model)).draw
    everything = draw(model, 99, 0, lambda: opened(outcome.record.spec))
    assert everything.images.shape == (8, 3, 16, 16)
    later = draw(model, 99, 6, lambda: opened(outcome.record.spec))
    assert np.array_equal(later.images, everything.images[6:])
    with pytest.raises(SpecError, match="no held-out slice 8"):
        draw(model, 1, 8, lambda: opened(outcome.record.spec))


def test_table_has_a_column_for_each_region(translate: Run, tmp_path: Path) -> None:
    translate()
    translate(source="ring", target="disc")
    grid = load_grid("paired").narrowed(
        models=("one-convolution",), datasets=("discs",), resolutions=(16,), **PAIR
    )
    found = survey(Store(tmp_path / "results"))
    sheet = score_sheet(grid, found, scores=("mae",))
    assert [column.name for column in sheet.columns[1:]] == ["mae ↓", "mae/inside ↓"]
    assert sheet.rows[0][1].value == found.results[0].record.scores["best"]["mae"]
    assert "discs disc-ring" in render(sheet, "md")
    for asked in (("mae/inside",), ("mae/inside", "mae")):
        named = score_sheet(grid, found, scores=asked)
        assert [column.name for column in named.columns[1:]] == [f"{score} ↓" for score in asked]
    assert Installed().goal("psnr/inside") == "higher"
    # The other direction is another column, not a cell that is left out of this one.
    assert not any("other conditions" in note for note in sheet.notes)


def test_figure_and_report_show_source_output_target_and_error(
    translate: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    translate()
    monkeypatch.setattr("harness.cli.figure.registry", lambda: registry)
    places = {"results": tmp_path / "results", "cache": tmp_path / "cache", "device": "cpu"}
    figure("paired", count=3, seed=0, source=None, target=None, **places)
    png, _ = (Path(line) for line in capsys.readouterr().out.splitlines())
    assert png.name == "paired-one-convolution-discs-disc-ring-16.png"
    with Image.open(png) as picture:
        # Five columns (with what the model explains) and three rows.
        assert 1.2 < picture.width / picture.height < 2.2
    found = survey(Store(tmp_path / "results"))
    real = CellImages({}, tmp_path / "cache")
    cpu = torch.device("cpu")
    assert "Translations by one-convolution" in make_report(found, tmp_path, cpu, real=real)
    # Passed on without real images it holds no patient, neither as input nor as output.
    alone = make_report(found, tmp_path, cpu)
    assert "Translations by" not in alone
    assert "a translation shows a patient" in alone


def test_half_a_pair_is_refused() -> None:
    assert pair_of("", "") is None
    with pytest.raises(SpecError, match="a target modality, t2, without a source"):
        pair_of("", "t2")
