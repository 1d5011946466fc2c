"""Utility: what a network that learnt from synthetic images is worth on real patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from harness_datasets.phantom import Phantom, PhantomConfig

from harness.api import Population, ScoreError
from harness.cell.records import Store
from harness.cli.figure import figure
from harness.data.pixels import to_uint8
from harness.running.cell import Outcome
from harness.scoring.metrics import utility as utility_module
from harness.scoring.metrics.utility import Utility, UtilityGain, over_seeds
from harness.scoring.scorer import Scorer
from harness.scoring.segmentation.agreement import agreement, dice, hd95
from harness.scoring.segmentation.learning import Pairs, Recipe, learn, packed, segment, unpacked
from harness.scoring.segmentation.patients import mean_of
from harness.tables.survey import survey
from harness.views.report import make_report

CPU = torch.device("cpu")
SIDE = 32
TINY = {"seeds": 1, "steps": 40, "width": 8}
STRUCTURES = {"body": (1, 2), "lesion": (2,)}


def drawn(seed: int, count: int) -> Population:
    """Chests of some people with what they show."""
    pieces = list(Phantom(None, PhantomConfig(images=count, seed=seed, size=SIDE)).slices())
    images = np.stack([to_uint8(piece.pixels)[None] for piece in pieces])
    labels = np.stack([piece.labels[None] for piece in pieces])
    return Population(images, np.array([p.patient for p in pieces]), None, labels, STRUCTURES)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    metrics = {"utility": Utility(**TINY), "utility_gain": UtilityGain(**TINY)}
    cache = tmp_path_factory.mktemp("cache")
    return Scorer(metrics, {}, drawn(0, 64), drawn(1, 32), CPU, cache)


def scores(scorer: Scorer, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return scorer.score(images, labels=labels, only=["utility"])


def test_copies_of_training_pairs_are_worth_as_much_as_these(scorer: Scorer) -> None:
    train = drawn(0, 64)
    report = scorer.report(train.values, labels=train.labels)
    assert report.scores["utility/body"] > 0.85
    assert report.scores["utility_gap"] == pytest.approx(0, abs=1e-12)
    # Everything twice is nothing more; but the order in which it is seen is another.
    assert abs(report.scores["utility_gain/body"]) < 0.1
    assert report.context["utility_real"] == report.scores["utility"]
    assert report.context["utility/body_n"] == 4


def test_noise_teaches_nothing(scorer: Scorer) -> None:
    random = np.random.default_rng(0)
    images, labels = (random.integers(0, top, (64, 1, SIDE, SIDE), dtype=np.uint8) for top in (256, 3))
    found = scores(scorer, images, labels)
    assert found["utility_gap/body"] > 0.1
    assert found["utility/lesion"] < 0.1


def test_right_images_with_shifted_labels_are_found_out(scorer: Scorer) -> None:
    train = drawn(0, 64)
    found = scores(scorer, train.values, np.roll(train.labels, SIDE // 4, axis=3))
    assert found["utility_gap/body"] > 0.1
    assert found["utility_hd95/body"] > 3


def test_labels_without_any_structure_are_the_worst(scorer: Scorer) -> None:
    train = drawn(0, 64)
    found = scores(scorer, train.values, np.zeros_like(train.labels))
    assert found["utility"] == 0
    assert found["utility_hd95"] == pytest.approx(SIDE * 2**0.5)


def test_networks_of_real_images_are_trained_once_for_all_cells(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = drawn(0, 64)
    before = scores(scorer, train.values, train.labels)
    trained: list[Pairs] = []
    monkeypatch.setattr(utility_module, "learn", lambda *a: (trained.append(a[0]), learn(*a))[1])
    another = Scorer({"utility": Utility(**TINY)}, {}, drawn(0, 64), drawn(1, 32), CPU, scorer._cache.folder)
    shuffled = np.random.default_rng(0).permutation(64)
    assert scores(another, train.values[shuffled], train.labels[shuffled]) == before
    assert len(trained) == TINY["seeds"], "those of the copies alone"


def test_training_is_repeatable_to_the_bit_and_kept_exactly() -> None:
    train = drawn(0, 16)
    pairs, recipe = Pairs(train.values, train.labels).ordered(), Recipe(steps=3, width=4)
    torch.manual_seed(1)
    ambient = torch.get_rng_state()
    first, second, other = (learn(pairs, 3, recipe, seed, CPU) for seed in (0, 0, 1))
    assert torch.equal(ambient, torch.get_rng_state())
    assert np.array_equal(packed([first]), packed([second]))
    assert not np.array_equal(packed([first]), packed([other]))
    (again,) = unpacked(packed([first]), 1, 3, recipe, CPU)
    assert np.array_equal(segment(again, train.values, CPU), segment(first, train.values, CPU))


def test_pairs_of_unknown_labels_are_left_out_and_the_rest_is_in_an_order_of_its_own() -> None:
    train = drawn(0, 6)
    labels = train.labels.copy()
    labels[2] = 255
    pairs = Pairs(train.values, labels)
    turned = Pairs(train.values[::-1], labels[::-1])
    assert len(pairs.ordered().images) == 5
    assert pairs.ordered().fingerprint == turned.ordered().fingerprint


def test_dice_by_hand() -> None:
    first, second = np.zeros((2, 4, 4), np.bool_)
    first[0], second[0, 2:], second[1, :2] = True, True, True
    assert dice(first, second) == 2 * 2 / (4 + 4)
    assert dice(first, first) == 1


def test_hd95_by_hand() -> None:
    first, second = np.zeros((2, 16, 16), np.bool_)
    first[4:8, 4:8] = True
    second[4:8, 7:11] = True
    # Of 12 pixels of either outline the 4 of the far side are 3 away, and the corners of near ones less.
    assert hd95(first, second) == 3
    assert hd95(first, first) == 0
    second[:] = False
    assert hd95(first, second) == hd95(second, first) == pytest.approx(16 * 2**0.5)
    first[:], second[:] = False, False
    first[0, 0], second[3, 4] = True, True
    assert hd95(first, second) == 5


def test_agreement_is_by_patient_and_of_those_who_have_the_structure() -> None:
    truth, seen = np.zeros((2, 4, 1, 8, 8), np.uint8)
    patients = np.array(["b", "a", "a", "c"])
    truth[0, 0, :2], truth[1, 0, :2], seen[1, 0, :2] = 2, 2, 2
    seen[2, 0, 0] = 2  # seen in a slice of the same patient that shows none
    truth[3, 0, :4] = 255
    seen[3] = 2
    found = agreement(seen, truth, patients, {"any": (1, 2), "one": (1,)})
    assert found.shape == (2, 2, 3)
    assert found[0, 0].tolist()[:2] == [2 * 16 / (16 + 24), 0]
    assert found[1, 0].tolist()[:2] == [0, pytest.approx(8 * 2**0.5)]
    assert np.isnan(found[:, 0, 2]).all(), "patient c shows none where anybody knows"
    assert np.isnan(found[:, 1]).all()


def test_a_mean_over_patients_by_hand() -> None:
    mean = mean_of(np.array([0.5, 0.7, np.nan, 0.9]))
    assert mean.value == pytest.approx(0.7)
    assert mean.error == pytest.approx(0.2 / 3**0.5)
    assert mean_of(np.array([np.nan])) is None


def test_the_scatter_of_trainings_stands_beside_the_score() -> None:
    train, metric = drawn(0, 16), Utility(seeds=2, steps=3, width=4)
    context = (
        Scorer({"u": metric}, {}, train, drawn(1, 8), CPU, None)
        .report(train.values, labels=train.labels)
        .context
    )
    assert context["utility_seed_sd"] == context["utility_real_seed_sd"] >= 0
    assert over_seeds("a", [np.array([0.2, 0.4]), np.array([0.6, np.nan])])["a_seed_sd"] == pytest.approx(
        0.3 / 2**0.5
    )


def test_held_out_patients_are_needed() -> None:
    metric = Utility(**TINY)
    with pytest.raises(ScoreError, match="others, and none are held out"):
        Scorer({"utility": metric}, {}, drawn(0, 8), None, CPU, None).check(labelled=True)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that learn for a moment."""
    monkeypatch.setattr(utility_module, "Recipe", lambda: Recipe(seeds=1, steps=40, width=4))


Run = Callable[..., Outcome]


def test_a_labelled_cell_is_scored_by_what_can_be_learnt_from_it(
    run_tiny: Run, short: None, tmp_path: Path
) -> None:
    record = run_tiny(settings={"labels": True, "metrics": "brightness,utility,utility_gain"}).record
    goals = {"utility", "utility_hd95", "utility_gap", "utility_gain"}
    inside = {f"{score}/inside" for score in goals}
    assert record.scores["best"].keys() == record.scores["last"].keys() == {"brightness", *goals, *inside}
    assert {"utility_real", "utility_real/inside", "utility_gap_se"} <= record.context.keys()
    gap = record.context["utility_real"] - record.scores["best"]["utility"]
    assert record.scores["best"]["utility_gap"] == pytest.approx(gap)
    assert not any(name.startswith("utility") and name.endswith("_augmented_real") for name in record.context)
    figure("utility", results=tmp_path / "results", device="cpu")
    drawn = sorted(path.name for path in (tmp_path / "results" / "figures").glob("*.png"))
    assert drawn == ["utility-discs-16.png", "utility-linear-gan-discs-16.png"]
    page = make_report(survey(Store(tmp_path / "results")), tmp_path / "results", CPU)
    assert 'alt="Utility: discs, 16 px"' in page


def test_a_translator_is_scored_by_what_networks_of_real_targets_see(
    run_tiny: Run, short: None, tmp_path: Path
) -> None:
    pair: dict[str, Any] = {"model": "one-convolution", "source": "disc", "target": "ring"}
    record = run_tiny(**pair, settings={"metrics": "mae,utility"}).record
    assert {"utility", "utility/inside", "utility_gap/inside"} <= record.scores["best"].keys()
    real, ours = record.context["utility_real/inside"], record.scores["best"]["utility/inside"]
    assert record.scores["best"]["utility_gap/inside"] == pytest.approx(real - ours)
    assert real > 0.5
    with pytest.raises(ScoreError, match="no further training images"):
        run_tiny(**pair, settings={"metrics": "mae,utility_gain"}, results=tmp_path / "other")
    assert len(list(Store(tmp_path / "results").records())) == 1
    figure("utility", results=tmp_path / "results", device="cpu")
    drawn = sorted(path.name for path in (tmp_path / "results" / "figures").glob("*.png"))
    assert drawn == ["utility-discs-disc-ring-16.png", "utility-one-convolution-discs-disc-ring-16.png"]
