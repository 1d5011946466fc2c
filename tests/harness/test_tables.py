"""Tables from records: what is averaged, what is marked, what is left out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bench_example.metric import Brightness
from bench_example.model import LinearGAN
from handmade import GRID, Records, sheet_of

from harness.cell.records import Store
from harness.errors import SpecError
from harness.grid.definition import Grid
from harness.tables.scores import score_sheet
from harness.tables.sheets import Column, Sheet, render
from harness.tables.survey import Survey, matching, survey


def rows(sheet: Sheet) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}


def ranks(sheet: Sheet) -> dict[str, list[str]]:
    return {row[0].text: [cell.rank for cell in row[1:]] for row in sheet.rows}


def test_mean_and_sample_deviation_over_seeds(records: Records) -> None:
    for seed, score in enumerate((10.0, 12.0, 14.0)):
        records.add(score, seed=seed)
    records.add(20.0, model="faulty")
    sheet = sheet_of(records)
    assert rows(sheet) == {"linear-gan": ["12.00 ± 2.00"], "faulty": ["20.00 (n=1)"]}
    assert "over 3 seeds" in sheet.caption
    assert "40 generated against 40 real, 4 epochs" in sheet.caption


def seeds(records: Records, scores: Sequence[float], **cell: Any) -> None:
    for seed, score in enumerate(scores):
        records.add(score, seed=seed, **cell)


LOW = [1.0, 1.2, 1.1, 1.3, 0.9, 1.0]
LEVEL = [1.1, 1.0, 1.2, 1.2, 1.1, 0.9]
"""Differences from the first: -0.1, 0.2, -0.1, 0.1, -0.2, 0.1."""
HIGH = [3.0, 3.3, 3.1, 3.2, 2.9, 3.1]


def test_lower_is_better_here_and_the_first_two_are_ranked(records: Records) -> None:
    seeds(records, HIGH)
    seeds(records, LOW, model="faulty")
    assert Brightness.goals == {"brightness": "lower"}
    sheet = sheet_of(records)
    assert ranks(sheet) == {"linear-gan": ["second"], "faulty": ["best"]}
    assert sheet.columns[1] == Column("brightness ↓", "discs")
    assert "Bold: the best row" in sheet.caption
    assert "No ranking" not in sheet.caption


def test_higher_is_better_where_the_metric_says_so(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Brightness, "goals", {"brightness": "higher"})
    seeds(records, HIGH)
    seeds(records, LOW, model="faulty")
    assert ranks(sheet_of(records)) == {"linear-gan": ["best"], "faulty": ["second"]}


def ablation_of(
    records: Records, monkeypatch: pytest.MonkeyPatch, rows: Mapping[str, Sequence[float]]
) -> Grid:
    """A grid of rows that differ in a setting, with a record for each of their scores."""
    configs = {name: {"latent_dim": number} for number, name in enumerate(rows, start=2)}
    monkeypatch.setattr(LinearGAN, "ablation", configs)
    for name, scores in rows.items():
        seeds(records, scores, config=configs[name])
    return GRID.narrowed(models=("linear-gan",), ablation=True)


def test_what_chance_may_have_put_behind_bears_the_mark_of_the_best(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = [score + 0.1 for score in HIGH[::-1]]
    rows = {"a": LEVEL, "b": HIGH, "c": LOW, "d": behind}
    grid = ablation_of(records, monkeypatch, rows)
    assert ranks(sheet_of(records, grid)) == {
        "a": ["best"], "b": ["second"], "c": ["best"], "d": ["second"],
    }  # fmt: skip


def test_fewer_than_six_seeds_are_no_ranking(records: Records) -> None:
    seeds(records, LOW[:5])
    seeds(records, HIGH[:5], model="faulty")
    sheet = sheet_of(records)
    assert ranks(sheet) == {"linear-gan": [""], "faulty": [""]}
    assert "No ranking is claimed: fewer than 6 seeds in common" in sheet.caption
    assert "Bold" not in sheet.caption


def test_rows_of_few_seeds_bear_no_mark_beside_those_of_many(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ablation_of(records, monkeypatch, {"a": LOW, "b": HIGH, "c": [0.1, 0.1]})
    sheet = sheet_of(records, grid)
    assert ranks(sheet) == {"a": ["best"], "b": ["second"], "c": [""]}
    assert "rows of fewer than 6 seeds are not ranked" in sheet.caption


def test_seeds_that_rows_do_not_share_rank_nothing(records: Records) -> None:
    seeds(records, LOW)
    for seed, score in enumerate(HIGH, start=1):
        records.add(score, model="faulty", seed=seed)
    assert ranks(sheet_of(records)) == {"linear-gan": [""], "faulty": [""]}


def test_one_value_is_no_winner(records: Records) -> None:
    seeds(records, LOW)
    sheet = sheet_of(records)
    assert ranks(sheet) == {"linear-gan": [""], "faulty": [""]}
    assert "ranking" not in sheet.caption


def test_missing_diverged_and_failed_are_marked_and_never_averaged(records: Records) -> None:
    records.add(10.0, seed=0)
    records.add(99.0, seed=1, status="diverged", error="a loss is not finite")
    records.add(None, model="faulty", status="failed", error="RuntimeError: no")
    assert rows(sheet_of(records)) == {
        "linear-gan": ["10.00 (1 diverged)"],
        "faulty": ["failed"],
    }


def test_nothing_done_is_a_table_of_dashes(records: Records) -> None:
    sheet = sheet_of(records)
    assert rows(sheet) == {"linear-gan": ["–"], "faulty": ["–"]}  # noqa: RUF001
    assert "No score yet" in sheet.caption


@pytest.mark.parametrize("what", ["model", "metric"])
def test_another_version_is_stale_and_not_averaged(
    records: Records, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    records.add(10.0)
    monkeypatch.setattr(LinearGAN if what == "model" else Brightness, "version", 2)
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["stale"]
    assert any("made with version 1" in note and "is version 2 here" in note for note in sheet.notes)


def test_a_record_of_another_protocol_is_stale(records: Records) -> None:
    for seed in range(3):
        records.add(10.0, identity=f"{seed:064x}", seed=seed)
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["stale"]
    assert [note.partition(" is stale: ")[2] for note in sheet.notes] == [
        "another version of the protocol; and 2 more"
    ]


def test_a_caveat_is_a_dagger_with_its_words(records: Records) -> None:
    records.add(10.0, caveats=["leaks training data"])
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["10.00†"]
    assert "linear-gan: † leaks training data" in sheet.notes


@pytest.mark.parametrize(
    ("goal", "score", "marked"),
    [("lower", 21.9, True), ("lower", 5.0, True), ("lower", 22.1, False), ("higher", 18.1, True)],
)
def test_a_score_near_that_of_augmented_real_images_is_marked(
    records: Records, monkeypatch: pytest.MonkeyPatch, goal: str, score: float, marked: bool
) -> None:
    monkeypatch.setattr(Brightness, "goals", {"brightness": goal})
    records.add(score, context={"brightness_augmented_real": 20.0})
    records.add(20.0, model="faulty")
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"][0].endswith("‡") == marked
    assert rows(sheet)["faulty"] == ["20.00"], "trained without augmentation"
    assert any("‡ brightness is near" in note for note in sheet.notes) == marked
    assert "brightness of real images after the augmentation of linear-gan 20.00" in sheet.caption


def test_other_conditions_never_share_a_column(records: Records) -> None:
    records.add(10.0)
    records.add(11.0, model="faulty")
    records.add(1.0, seed=1, epochs=400)
    sheet = sheet_of(records)
    assert rows(sheet) == {"linear-gan": ["10.00"], "faulty": ["11.00"]}
    assert any("1 cell(s) under other conditions left out" in note for note in sheet.notes)
    longer = Survey(list(matching(survey(records.store).results, {"epochs": "400"})))
    assert rows(score_sheet(GRID, longer))["linear-gan"] == ["1.000"]


def test_cells_on_the_terms_of_the_grid_come_first(records: Records) -> None:
    records.add(10.0)
    records.add(11.0, model="faulty")
    records.add(1.0, epochs=8)
    terms = {"epochs": 8, "evaluate_every": 2, "batch_size": 8, "metrics": "swd"}
    asked = GRID.model_copy(update={"settings": terms})
    assert rows(sheet_of(records, asked)) == {"linear-gan": ["1.000"], "faulty": ["–"]}  # noqa: RUF001
    other = GRID.model_copy(update={"settings": {**terms, "limit": 5}})
    assert rows(sheet_of(records, other)) == {"linear-gan": ["10.00"], "faulty": ["11.00"]}


@pytest.mark.parametrize("settings", [{"epochs": "many"}, {"latent_dim": "abc"}, {"dataset.patients": -1}])
def test_a_grid_that_can_not_be_is_told_and_has_no_table(records: Records, settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(settings)).removeprefix("dataset.")):
        sheet_of(records, GRID.model_copy(update={"settings": settings}))


def test_the_defaults_stand_for_a_model_and_other_setups_are_named(records: Records) -> None:
    records.add(10.0)
    for seed in range(3):
        records.add(1.0, seed=seed, config={"lr": 0.5})
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["10.00"]
    assert any("1 other setup" in note for note in sheet.notes)


def test_what_a_grid_asks_for_stands_for_a_model_and_nothing_else_does(records: Records) -> None:
    asked = GRID.model_copy(update={"settings": {"lr": "0.5", "epochs": 4}})
    records.add(1.0, config={"lr": 0.25})
    records.add(2.0)
    assert rows(sheet_of(records, asked))["linear-gan"] == ["–"]  # noqa: RUF001
    records.add(3.0, config={"lr": 0.5})
    assert rows(sheet_of(records, asked))["linear-gan"] == ["3.000"]


def test_a_record_cut_in_the_middle_is_named_and_counts_as_not_done(records: Records) -> None:
    path = records.add(10.0)
    path.write_bytes(path.read_bytes()[:300])
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["–"]  # noqa: RUF001
    assert any(str(path) in note and "not done" in note for note in sheet.notes)


def test_a_copied_run_folder_counts_once(records: Records) -> None:
    path = records.add(10.0)
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    sheet = sheet_of(records)
    assert rows(sheet)["linear-gan"] == ["10.00"]
    assert any("counts once" in note for note in sheet.notes)


def test_moved_results_give_the_same_table(records: Records, tmp_path: Path) -> None:
    records.add(10.0)
    before = render(sheet_of(records), "md")
    (tmp_path / "results").rename(tmp_path / "moved")
    assert render(score_sheet(GRID, survey(Store(tmp_path / "moved"))), "md") == before


def test_the_last_evaluation_instead_of_the_best(records: Records) -> None:
    records.add(10.0)
    sheet = sheet_of(records, which="last")
    assert rows(sheet)["linear-gan"] == ["11.00"]
    assert "Last networks" in sheet.caption


def test_published_values_stand_beside_with_the_difference(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tables.scores.lookup", lambda table, score, **place: 12.5)
    records.add(10.0)
    sheet = sheet_of(records, against_published=True)
    assert rows(sheet)["linear-gan"] == ["10.00", "12.5", "−2.500"]  # noqa: RUF001
    assert rows(sheet)["faulty"] == ["–", "12.5", "–"]  # noqa: RUF001


def test_the_published_numbers_are_found_by_plugin_names() -> None:
    from harness.tables.published import lookup

    assert lookup("II", "fid", model="hagan", dataset="acdc", resolution=64) == 60.792
    assert lookup("III", "fid", model="ddpm", dataset="covid-ct", resolution=256) == 182.405
    assert lookup("IV", "fid", model="Base Model", dataset="covid-ct", resolution=64) == 240.231
    assert lookup("II", "kid", model="hagan", dataset="acdc", resolution=64) is None


def test_ablation_rows_are_told_apart_by_their_switches(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation: ClassVar = {"Base": {"latent_dim": 2}, "+ Noise": {}}
    monkeypatch.setattr(LinearGAN, "ablation", ablation)
    records.add(30.0, config={"latent_dim": 2})
    records.add(20.0)
    grid = GRID.narrowed(models=("linear-gan",), ablation=True)
    assert rows(sheet_of(records, grid)) == {"Base": ["30.00"], "+ Noise": ["20.00"]}


def test_unknown_scores_name_the_known_ones(records: Records) -> None:
    with pytest.raises(SpecError, match="no metric gives 'fidd'"):
        sheet_of(records, scores=("fidd",))


def test_where_with_an_unknown_name_says_so(records: Records) -> None:
    records.add(1.0)
    with pytest.raises(SpecError, match="no record has a setting epoch"):
        list(matching(survey(records.store).results, {"epoch": 3}))
