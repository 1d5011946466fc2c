import numpy as np
import pytest
import torch
from measured import scores_of
from scipy.spatial.distance import cdist
from torch_fidelity.metric_prc import calculate_precision_recall_full

from harness.api import Population, ScoreError
from harness.scoring.metrics import neighbours
from harness.scoring.metrics.manifold import Manifold, RealManifold
from harness.scoring.metrics.manifold import neighbour_scores as scores_among
from harness.scoring.metrics.neighbours import nearest


def neighbour_scores(real, fake):
    return scores_among(RealManifold.of(real), fake)


def copy_rate(real, others):
    return RealManifold.of(real).copy_rate(others)


def cloud(n, seed, d=8, centre=0.0, spread=1.0):
    return centre + spread * np.random.default_rng(seed).standard_normal((n, d))


def modes(n, seed, centres):
    """``n`` points around each of ``centres`` of an 8-dimensional space, far from one another."""
    return np.concatenate([cloud(n, seed + i, centre=100.0 * c) for i, c in enumerate(centres)])


def reference(real, fake):
    """The same scores written out with all distances at once."""
    rr, gg, rg = cdist(real, real), cdist(fake, fake), cdist(real, fake)
    r1, r3, r5 = (np.sort(rr, axis=1)[:, k] for k in (1, 3, 5))
    g3 = np.sort(gg, axis=1)[:, 3]
    closest = rg.argmin(0)
    return {
        "precision": (rg <= r3[:, None]).any(0).mean(),
        "recall": (rg <= g3).any(1).mean(),
        "density": (rg <= r5[:, None]).sum(0).mean() / 5,
        "coverage": (rg.min(1) <= r5).mean(),
        "authpct": 100 * (rg.min(0) > r1[closest]).mean(),
        "copy_rate": (rg <= r1[:, None]).any(0).mean(),
    }


@pytest.mark.parametrize("tile", [7, 1024])
def test_agrees_with_all_distances_at_once_whatever_the_tiles(monkeypatch, tile):
    monkeypatch.setattr(neighbours, "_TILE", tile)
    real, fake = cloud(60, 0), cloud(45, 1, centre=0.3, spread=1.2)
    assert neighbour_scores(real, fake) == pytest.approx(reference(real, fake), rel=1e-12)


def test_precision_and_recall_agree_with_torch_fidelity():
    real, fake = cloud(80, 2), cloud(70, 3, centre=0.4, spread=0.8)
    # torch-fidelity's order: generated first, real second.
    precision, recall = calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real), 3)
    ours = neighbour_scores(real, fake)
    assert 0 < ours["precision"] < 1
    assert 0 < ours["recall"] < 1
    assert (ours["precision"], ours["recall"]) == pytest.approx((precision, recall), abs=1e-6)


def test_mode_collapse_lowers_recall_and_coverage_and_not_precision():
    real = modes(30, 0, centres=(0, 1))
    both, one = modes(30, 10, centres=(0, 1)), modes(60, 10, centres=(0,))
    whole, collapsed = neighbour_scores(real, both), neighbour_scores(real, one)
    assert collapsed["recall"] < 0.6 * whole["recall"]
    assert collapsed["coverage"] < 0.6 * whole["coverage"]
    assert collapsed["precision"] > 0.9 * whole["precision"]


def test_samples_that_are_not_real_lower_precision_and_density_and_not_recall():
    real = modes(30, 0, centres=(0,))
    invented = modes(30, 10, centres=(0, 5))
    scores = neighbour_scores(real, invented)
    honest = neighbour_scores(real, modes(30, 10, centres=(0,)))
    assert scores["precision"] < 0.6 * honest["precision"]
    assert scores["density"] < 0.6 * honest["density"]
    assert scores["recall"] > 0.9 * honest["recall"]


def test_one_outlying_real_image_raises_precision_and_not_density():
    # Its ball is so large that samples far from everything else fall into it.
    real = np.concatenate([cloud(50, 0), np.full((1, 8), 60.0)])
    junk = cloud(50, 1, centre=30.0)
    scores = neighbour_scores(real, junk)
    assert scores["precision"] == 1
    assert scores["density"] < 0.3


def test_copying_training_images_raises_the_copy_rate_and_lowers_authpct():
    train = cloud(100, 0)
    honest = neighbour_scores(train, cloud(100, 1))
    copies = neighbour_scores(train, train + 1e-3 * cloud(100, 2))
    assert copies["copy_rate"] == 1
    assert copies["authpct"] == 0
    assert honest["copy_rate"] < 0.8
    assert honest["authpct"] > 40
    # Everything else looks perfect.
    assert copies["precision"] == copies["recall"] == copies["coverage"] == 1


def test_exact_copies_of_a_duplicated_training_image_are_copies():
    train = cloud(40, 0)
    train[1] = train[0]  # its nearest neighbour is at distance 0, and nothing can be nearer than that
    assert copy_rate(train, np.repeat(train[:1], 10, 0)) == 1
    scores = neighbour_scores(train, np.repeat(train[:1], 10, 0))
    assert scores["copy_rate"] == 1
    assert scores["authpct"] == 0


def test_a_held_out_set_tells_the_rate_that_is_no_copying():
    train, held_out, fake = (Population(cloud(50, seed)) for seed in (0, 1, 2))
    metric = Manifold("inception-random", "_random")
    scores = scores_of(metric, train, held_out, fake)
    assert scores["copy_rate_random_held_out"] == copy_rate(train.values, held_out.values)
    assert set(metric.goals) <= set(scores)
    assert all(name.endswith("_random") for name in metric.goals)
    assert "copy_rate_random_held_out" not in scores_of(metric, train, None, fake)


def test_nearest_leaves_the_point_itself_out_but_not_its_duplicates():
    points = np.array([[0.0], [0.0], [3.0], [7.0]])
    found = nearest(torch.from_numpy(points), 2).numpy()
    assert found.tolist() == [[0, 3], [0, 3], [3, 3], [4, 7]]


def test_constant_features_are_all_the_same_image():
    same = np.ones((10, 4))
    scores = neighbour_scores(same, same)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == scores["copy_rate"] == 1
    assert scores["density"] == 2  # ten balls around every sample, over k = 5


def test_too_few_for_five_neighbours_is_an_error():
    with pytest.raises(ScoreError, match="at least 6"):
        neighbour_scores(cloud(5, 0), cloud(20, 1))
    with pytest.raises(ScoreError, match="5 generated"):
        neighbour_scores(cloud(20, 0), cloud(5, 1))
