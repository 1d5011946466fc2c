"""Models ranked over data sets and seeds, and the diagram of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Records

from harness import Register, hookimpl
from harness.cli.figure import figure
from harness.errors import SpecError
from harness.plugins import Registry
from harness.tables.ranking import Ranking, ranking, runs_without
from harness.tables.survey import Installed, survey
from harness.views.ranks import ranks_figure

LOW = [1.0, 1.3, 1.1, 1.2, 0.9, 1.0]
LEVEL = [1.1, 1.0, 1.2, 1.1, 1.0, 0.9]
"""Better than LOW with three seeds and worse with three."""
HIGH = [3.0, 3.3, 3.1, 3.2, 2.9, 3.1]


class Third:
    """Two models are compared and not ranked; this is one more."""

    @staticmethod
    @hookimpl
    def bench_models(register: Register) -> None:
        register("third", "bench_example.model:LinearGAN", summary="one more")


@pytest.fixture(autouse=True)
def _three_models(registry: Registry) -> None:
    registry.add(Third, "bench-third 0.0.0")


def add(records: Records, model: str, scores: Sequence[float], **cell: Any) -> None:
    for seed, score in enumerate(scores):
        records.add(score, model=model, seed=seed, **cell)


def ranked(records: Records) -> Ranking:
    return ranking(survey(records.store).results, "brightness", Installed(), "best")


def test_mean_ranks_by_hand_and_who_can_not_be_told_apart(records: Records) -> None:
    add(records, "linear-gan", HIGH)
    add(records, "faulty", LOW)
    add(records, "third", LEVEL)
    one = ranked(records)
    assert one.ranks == {"faulty": 1.5, "third": 1.5, "linear-gan": 3.0}
    assert one.level == [(0, 1)]
    assert (one.sets, one.seeds) == (["discs 16 px"], [0, 1, 2, 3, 4, 5])


def test_equal_scores_share_a_rank(records: Records) -> None:
    for model in ("linear-gan", "faulty", "third"):
        add(records, model, LOW)
    assert list(ranked(records).ranks.values()) == [2.0, 2.0, 2.0]
    assert ranked(records).level == [(0, 2)]


def test_ranks_are_averaged_over_sets_whatever_their_scale(records: Records) -> None:
    for dataset, factor in (("discs", 1.0), ("covid-ct", 100.0)):
        add(records, "faulty", [factor * score for score in LOW[:3]], dataset=dataset)
        add(records, "third", [factor * score for score in LEVEL[:3]], dataset=dataset)
        add(records, "linear-gan", [factor * score for score in HIGH[:3]], dataset=dataset)
    one = ranked(records)
    # LOW is before LEVEL with the first and the third of these seeds and behind it with the second.
    assert one.ranks == pytest.approx({"faulty": 4 / 3, "third": 5 / 3, "linear-gan": 3.0})
    assert one.sets == ["covid-ct 16 px", "discs 16 px"]


def test_a_model_that_a_set_lacks_is_left_out_and_named(records: Records) -> None:
    for model, scores in (("linear-gan", HIGH), ("faulty", LOW), ("third", LEVEL)):
        add(records, model, scores)
        if model != "third":
            add(records, model, scores, dataset="covid-ct")
    with pytest.raises(SpecError) as caught:
        ranked(records)
    assert caught.value.found == (
        "2 models have brightness on each of covid-ct 16 px, discs 16 px; "
        "third has no brightness on covid-ct 16 px"
    )


@pytest.mark.parametrize("count", [1, 5])
def test_few_seeds_are_no_ranking(records: Records, count: int) -> None:
    for model, scores in (("linear-gan", HIGH), ("faulty", LOW), ("third", LEVEL)):
        add(records, model, scores[:count])
    with pytest.raises(SpecError, match=f"no ranking over {count} seeds .* {count} pairs are too few"):
        ranked(records)


def test_bars_are_the_longest_runs_in_which_no_pair_is_apart() -> None:
    apart = np.zeros((5, 5), dtype=bool)
    for first, second in ((0, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)):
        apart[first, second] = apart[second, first] = True
    # 0-1 and 1-2-3 are level, 2-3 lies in the second; 4 is alone.
    assert runs_without(apart) == [(0, 1), (1, 3)]
    assert runs_without(np.ones((3, 3), dtype=bool)) == []


def test_the_diagram_shows_every_model_at_its_rank() -> None:
    ranks = {"a": 1.0, "b": 2.5, "c": 2.75, "d": 3.75}
    one = Ranking("fid", "lower", ranks, [(1, 2), (2, 3)], ["discs 16 px"], [0, 1, 2, 3, 4, 5], [])
    (axes,) = ranks_figure(one).axes
    words = [text.get_text() for text in axes.texts]
    assert [word for word in words if word in "1234"] == ["1", "2", "3", "4"]
    assert words[4:8] == ["a  1.00 ", "b  2.50 ", " 2.75  c", " 3.75  d"]
    assert words[8] == "fid ↓, mean rank over 6 seeds: discs 16 px"
    lines = [np.asarray(line.get_xydata()) for line in axes.lines]
    axis, bars, stems = lines[0], lines[5:7], lines[7:]
    scale = (axis[1, 0] - axis[0, 0]) / 3
    places = [1 + (stem[0, 0] - axis[0, 0]) / scale for stem in stems]
    assert places == pytest.approx(list(ranks.values()))
    # Each bar reaches from its first model to its last; these two meet at c, so they are on two lines.
    assert [bar[0, 0] < stem[0, 0] for bar, stem in zip(bars, stems[1:3], strict=True)] == [True, True]
    assert [bar[1, 0] > stem[0, 0] for bar, stem in zip(bars, stems[2:4], strict=True)] == [True, True]
    assert bars[0][0, 1] != bars[1][0, 1]


def test_bench_figure_ranks_writes_the_diagram_or_says_why_not(
    records: Records, tmp_path: Path, capsys: Any
) -> None:
    for model, scores in (("linear-gan", HIGH), ("faulty", LOW), ("third", LEVEL)):
        add(records, model, scores)
    options: dict[str, Any] = {"results": records.store.root, "device": "cpu", "metric": "brightness"}
    figure("ranks", **options)
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in written] == ["ranks-brightness.png", "ranks-brightness.pdf"]
    assert all(path.stat().st_size > 1000 for path in written)
    with pytest.raises(SpecError, match="2 models have brightness") as caught:
        figure("ranks", models="faulty,third", **options)
    assert "bench compare A B" in caught.value.hint
