"""Two models compared over seeds."""

from __future__ import annotations

from typing import Any

import pytest
from handmade import Records

from harness.errors import SpecError
from harness.tables.compare import compare, comparison_sheet
from harness.tables.survey import Installed, survey


def sides(records: Records) -> tuple[list[Any], list[Any], Installed]:
    found = survey(records.store).results
    return (
        [result for result in found if result.spec.model.name == "linear-gan"],
        [result for result in found if result.spec.model.name == "faulty"],
        Installed(),
    )


def test_comparison_by_hand(records: Records) -> None:
    for seed, (ours, theirs) in enumerate([(8.0, 10.0), (9.0, 10.0), (10.0, 10.0)]):
        records.add(ours, seed=seed)
        records.add(theirs, model="faulty", seed=seed)
    records.add(1.0, seed=9)
    first, second, installed = sides(records)
    one = compare(first, second, "brightness", installed, "best")
    assert one.better == pytest.approx(10.0)  # mean 9 against 10, lower is better
    assert one.probability == pytest.approx((3 + 3 + 1.5) / 9)
    assert one.unpaired == 1
    low, high = one.interval
    assert 0 <= low < 10 < high <= 20
    other = compare(second, first, "brightness", installed, "best")
    assert other.probability == pytest.approx(1 - one.probability)
    assert "fewer than 5 seeds" in " ".join(comparison_sheet("a", "b", [one]).notes)


def test_equal_models_are_a_draw(records: Records) -> None:
    for seed in range(4):
        records.add(5.0 + seed, seed=seed)
        records.add(5.0 + seed, model="faulty", seed=seed)
    first, second, installed = sides(records)
    one = compare(first, second, "brightness", installed, "best")
    assert (one.better, one.interval, one.probability) == (0.0, (0.0, 0.0), 0.5)


def test_cells_under_other_conditions_make_no_pair(records: Records) -> None:
    records.add(5.0)
    records.add(5.0, model="faulty", epochs=8)
    first, second, installed = sides(records)
    with pytest.raises(SpecError, match="no two cells with brightness share"):
        compare(first, second, "brightness", installed, "best")
