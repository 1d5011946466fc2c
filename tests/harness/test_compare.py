"""Two models compared over seeds and data sets."""

from __future__ import annotations

import io
from typing import Any

import pandas
import pytest
from bench_example.metric import Brightness
from handmade import Records

from harness.cli.table import compare as bench_compare
from harness.errors import SpecError
from harness.tables.compare import Comparison, Side, compare
from harness.tables.comparison_sheet import comparison_sheet
from harness.tables.sheets import render
from harness.tables.survey import Installed, survey

OURS = [9.0, 8.0, 7.0, 9.0, 8.0, 7.0]
THEIRS = [10.0, 10.0, 10.0, 11.0, 11.0, 11.0]
"""Differences -1, -2, -3, -2, -3, -4: mean -2.5, deviation sqrt(1.1)."""


def sides(records: Records) -> tuple[Side, Side]:
    found = survey(records.store).results
    ours, theirs = (
        Side(name, [result for result in found if result.spec.model.name == name])
        for name in ("linear-gan", "faulty")
    )
    return ours, theirs


def compared(records: Records) -> Comparison:
    return compare(*sides(records), "brightness", Installed(), "best")


def rows(one: Comparison, *others: Comparison) -> list[list[str]]:
    return [[cell.text for cell in row] for row in comparison_sheet("a", "b", [one, *others]).rows]


def add(records: Records, ours: list[float], theirs: list[float], **cell: Any) -> None:
    for seed, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        records.add(our, seed=seed, **cell)
        records.add(their, model="faulty", seed=seed, **cell)


def test_six_pairs_by_hand(records: Records) -> None:
    add(records, OURS, THEIRS)
    records.add(1.0, seed=9)
    one = compared(records)
    # t = -2.5 / sqrt(1.1 / 6) = -5.839 with 5 degrees of freedom; the interval is 2.571 standard errors of 0.428.
    assert one.p == pytest.approx(0.00208, abs=5e-6)
    assert rows(one) == [
        ["brightness ↓, discs 16 px", "8.000", "10.50", "−2.50 [−3.60, −1.40]", "0.002", "6"]  # noqa: RUF001
    ]
    assert one.notes == ["brightness: 1 cells have no counterpart"]


def test_swapping_the_models_swaps_the_signs_and_nothing_else(records: Records) -> None:
    add(records, OURS, THEIRS)
    ours, theirs = sides(records)
    one = compare(ours, theirs, "brightness", Installed(), "best")
    other = compare(theirs, ours, "brightness", Installed(), "best")
    assert other.p == one.p
    assert (other.differences == -one.differences).all()


def test_five_pairs_are_no_test_but_differences_and_a_sentence(records: Records) -> None:
    add(records, OURS[:5], THEIRS[:5])
    sheet = comparison_sheet("a", "b", [compared(records)])
    ((_, _, _, difference, p, pairs),) = ([cell.text for cell in row] for row in sheet.rows)
    assert difference == "−2.20 (−1.00; −2.00; −3.00; −2.00; −3.00)"  # noqa: RUF001
    assert (p, pairs) == ("", "5")
    assert "No test is made" in sheet.caption
    assert [note.partition(":")[0] for note in sheet.notes] == ["brightness"]
    assert "5 pairs are too few for a test" in sheet.notes[0]


def test_differences_that_do_not_vary_have_no_interval(records: Records) -> None:
    add(records, [5.0] * 6, [6.0] * 6)
    one = compared(records)
    assert one.p is None
    assert "do not vary over seeds" in str(one.why_no_test)
    assert "[" not in rows(one)[0][3]


def test_several_sets_are_averaged_as_ratios_by_seed(records: Records) -> None:
    add(records, [50.0, 55.0, 45.0], [100.0, 100.0, 100.0])
    add(records, [1.9, 2.0, 2.1], [2.0, 2.0, 2.0], dataset="covid-ct")
    one = compared(records)
    *own, all_sets = rows(one)
    assert [row[0] for row in own] == ["brightness ↓, covid-ct 16 px", "brightness ↓, discs 16 px"]
    assert [row[4] for row in own] == ["", ""]
    # Means of logarithms by seed -0.3722, -0.2989, -0.3749: mean -0.3487, deviation 0.0431, so t is
    # -0.3487 / 0.02489 = -14.0 with 2 degrees of freedom. exp(-0.3487) = 0.7056.
    assert all_sets[0] == "brightness ↓, all 2 sets"
    # The interval is 4.303 standard errors: exp(-0.3487 - 0.1071) = 0.634, exp(-0.3487 + 0.1071) = 0.785.
    assert all_sets[3] == "−29.4 % [−36.6, −21.5]"  # noqa: RUF001
    assert all_sets[4] == "0.005"
    assert all_sets[5] == "6"


def test_no_ratio_of_scores_around_zero(records: Records) -> None:
    add(records, [-0.0002, 0.0004, 0.0001], [0.001, 0.0012, 0.0008])
    add(records, [0.001, 0.002, 0.001], [0.003, 0.002, 0.004], dataset="covid-ct")
    one = compared(records)
    assert not one.is_relative
    # (-0.0012 - 0.0008 - 0.0007 - 0.002 + 0 - 0.003) / 6
    assert rows(one)[-1][3].startswith("−0.00128 [")  # noqa: RUF001
    assert "%" not in rows(one)[-1][3]


def test_no_ratio_where_higher_is_better(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Brightness, "goals", {"brightness": "higher"})
    add(records, [20.0, 21.0, 22.0], [30.0, 31.0, 33.0])
    add(records, [20.0, 21.0, 22.0], [30.0, 31.0, 33.0], dataset="covid-ct")
    one = compared(records)
    assert not one.is_relative
    assert rows(one)[0][0].startswith("brightness ↑")


def test_one_set_that_comes_twice_says_what_is_different(records: Records) -> None:
    add(records, OURS, THEIRS)
    add(records, OURS, THEIRS, epochs=8)
    names = {pairs.name for pairs in compared(records).sets}
    assert names == {"discs 16 px epochs=4", "discs 16 px epochs=8"}


def test_seeds_that_a_set_lacks_are_left_out_of_the_mean_over_sets(records: Records) -> None:
    add(records, OURS, THEIRS)
    add(records, OURS[:3], THEIRS[:3], dataset="covid-ct")
    one = compared(records)
    assert one.differences.shape == (3, 2)
    assert [row[5] for row in rows(one)] == ["3", "6", "6"]
    assert any("3 pairs are of seeds that not every set has" in note for note in one.notes)


def test_p_is_adjusted_for_as_many_scores_as_are_tested(records: Records) -> None:
    add(records, OURS, THEIRS)
    one = compared(records)
    weak = Comparison("other", "lower", one.sets, one.differences + 2.3, False, [])
    sheet = comparison_sheet("a", "b", [one, weak])
    frame = pandas.read_csv(io.StringIO(render(sheet, "csv")))
    assert list(frame["p_adjusted"]) == pytest.approx([2 * one.p, weak.p])  # type: ignore[operator]
    assert [row[4].text for row in sheet.rows] == ["0.004", f"{weak.p:.3f}"]
    assert "Holm over 2 scores" in sheet.caption


def test_other_setups_that_are_left_out_are_named(records: Records) -> None:
    add(records, OURS, THEIRS)
    records.add(1.0, config={"lr": 0.5})
    (note,) = compared(records).notes
    assert note.startswith("linear-gan on discs 16 px is lr=")
    assert "1 other setup(s) are left out, and linear-gan@NAME=VALUE chooses" in note


def test_cells_under_other_conditions_make_no_pair(records: Records) -> None:
    records.add(5.0)
    records.add(5.0, model="faulty", epochs=8)
    with pytest.raises(SpecError, match="no two cells with brightness share"):
        compared(records)


def test_a_cell_is_not_compared_with_itself(records: Records) -> None:
    records.add(5.0)
    ours, _ = sides(records)
    with pytest.raises(SpecError, match="linear-gan and linear-gan are the same cells"):
        compare(ours, ours, "brightness", Installed(), "best")


def test_bench_compare_prints_it_and_suggests_names(records: Records, capsys: Any) -> None:
    add(records, OURS, THEIRS)
    bench_compare("linear-gan@lr=0.01", "faulty", metric="brightness", results=records.store.root)
    printed = capsys.readouterr().out
    assert "| score | linear-gan@lr=0.01 | faulty | difference | p | pairs |" in printed
    with pytest.raises(SpecError, match="did you mean linear-gan") as caught:
        bench_compare("linear_gan", "faulty", results=records.store.root)
    assert "unknown model among the records 'linear_gan'" in caught.value.found
