import numpy as np
import pytest
import torch
from measured import CPU, scores_of
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from torch_fidelity.metric_prc import calculate_precision_recall_full

from harness.api import Population, ScoreError
from harness.scoring.metrics import neighbours
from harness.scoring.metrics.draws import halves
from harness.scoring.metrics.manifold import Manifold, RealManifold
from harness.scoring.metrics.manifold import neighbour_scores as scores_among
from harness.scoring.metrics.neighbours import nearest


def neighbour_scores(real, fake, patients=None):
    return scores_among(RealManifold.of(Population(real, patients)), fake, CPU)


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
    null = []  # of one half to the other, both ways
    for one, other in some_halves(len(real)):
        for a, b in ((one, other), (other, one)):
            own = np.sort(cdist(real[a], real[a]), axis=1)[:, 1]
            null += (cdist(real[a], real[b]) / own[:, None]).min(0).tolist()
    threshold = np.sort(null)[int(0.05 * (len(null) - 1))]
    copied = ((rg / r1[:, None]).min(0) <= threshold).mean()
    null = (np.array(null) <= threshold).mean()
    return {
        "precision": (rg <= r3[:, None]).any(0).mean(),
        "recall": (rg <= g3).any(1).mean(),
        "density": (rg <= r5[:, None]).sum(0).mean() / 5,
        "coverage": (rg.min(1) <= r5).mean(),
        "authpct": 100 * (rg.min(0) > r1[closest]).mean(),
        "copy_rate": copied,
        "copy_rate_null": null,
        "copy_excess": max(0, copied - null),
    }


def some_halves(n):
    rng = np.random.default_rng(0)
    return [halves(Population(np.zeros((n, 1))), rng) for _ in range(3)]


@pytest.mark.parametrize("tile", [7, 1024])
def test_agrees_with_all_distances_at_once_whatever_the_tiles(monkeypatch, tile):
    monkeypatch.setattr(neighbours, "_TILE", tile)
    real, fake = cloud(60, 0), cloud(45, 1, centre=0.3, spread=1.2)
    found = neighbour_scores(real, fake)
    assert found.pop("copy_excess_se") > 0
    assert found == pytest.approx(reference(real, fake), rel=1e-12)


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
    assert abs(honest["copy_excess"]) < 0.1
    assert honest["authpct"] > 40
    # Everything else looks perfect.
    assert copies["precision"] == copies["recall"] == copies["coverage"] == 1


def test_exact_copies_of_a_duplicated_training_image_are_copies():
    train = cloud(40, 0)
    train[1] = train[0]  # its nearest neighbour is at distance 0, and nothing can be nearer than that
    scores = neighbour_scores(train, np.repeat(train[:1], 10, 0))
    assert scores["copy_rate"] == 1
    assert scores["authpct"] == 0


def test_held_out_patients_tell_the_rate_that_is_no_copying():
    train, held_out, fake = (Population(cloud(50, seed)) for seed in (0, 1, 2))
    metric = Manifold("inception-random", "_random")
    scores = scores_of(metric, train, held_out, fake)
    again = scores_of(metric, train, held_out, held_out)
    assert again["copy_rate_random"] == scores["copy_rate_null_random"] == pytest.approx(0.05, abs=0.02)
    assert set(metric.goals) <= set(scores)
    assert all(name.endswith("_random") for name in metric.goals)


PATIENTS = np.repeat([f"p{i:02d}" for i in range(60)], 8)


def slices(seed, people=60, each=8):
    """Slices of patients: between patients a deviation of 1 a dimension, within one of 0.3."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((people, 1, 8))
    return (own + 0.3 * rng.standard_normal((people, each, 8))).reshape(-1, 8)


def within_copies(scale):
    return lambda train: train + scale * 0.3 * cloud(len(train), 9)


@pytest.mark.parametrize(
    ("name", "make", "is_copying", "is_collapsed"),
    [
        ("a copier", lambda train: train, True, False),
        ("a copier with noise", within_copies(0.5), True, False),
        ("a copier with noise of 1.5 deviations within a patient", within_copies(1.5), True, False),
        (
            "a copier of every second image, the rest new",
            lambda t: np.r_[t[::2], slices(5, 240, 1)],
            True,
            False,
        ),
        ("a collapsed model", lambda train: np.repeat(slices(5, 3, 1), 160, 0), False, True),
        ("a model collapsed to one image", lambda train: np.repeat(slices(6, 1, 1), 480, 0), False, True),
        ("a perfect model", lambda train: slices(7, 480, 1), False, False),
        ("a perfect model of whole patients", lambda train: slices(8), False, False),
    ],
)
def test_each_gets_the_mark_that_it_deserves(name, make, is_copying, is_collapsed):
    train = slices(0)
    metric, real = Manifold("inception"), Population(train, PATIENTS)
    for held_out in (None, Population(slices(1, 20), PATIENTS[: 20 * 8])):
        scores = scores_of(metric, real, held_out, Population(make(train)))
        assert bool(metric.caveats(scores, {})) == is_copying, scores
        assert (scores["coverage"] < 0.05) == is_collapsed, scores


def test_noise_hides_copies_only_where_the_own_patient_counts():
    # The nearest image of most slices is of the same patient: to be farther than that is no sign of a new one.
    train = slices(0)
    copies = within_copies(1.5)(train)
    with_patients, without = neighbour_scores(train, copies, PATIENTS), neighbour_scores(train, copies)
    assert without["copy_excess"] < 0.05
    assert with_patients["copy_excess"] > 0.3
    assert without["authpct"] > 80 > 20 > with_patients["authpct"]


def test_shifted_copies_are_found_and_mirrored_ones_are_not():
    # The features of a mirrored image are those of another image: what docs/metrics.md says of augmentation.
    rng = np.random.default_rng(0)
    own = gaussian_filter(rng.standard_normal((60, 1, 24, 24)), (0, 0, 2, 2))
    images = (own + 0.02 * rng.standard_normal((60, 8, 24, 24))).reshape(-1, 24, 24)

    def features(images):
        return images[:, 4:20, 4:20].reshape(-1, 8, 2, 8, 2).mean((2, 4)).reshape(-1, 64)

    metric, real = Manifold("inception"), Population(features(images), PATIENTS)
    for made, is_found in ((np.roll(images, 1, 2), True), (images[:, :, ::-1], False)):
        scores = scores_of(metric, real, None, Population(features(made)))
        assert bool(metric.caveats(scores, {})) == is_found, scores


def test_a_patient_who_is_half_of_all_images_has_no_stranger_in_its_half():
    train = np.concatenate([slices(0, 1, 40), slices(1, 5, 8)])
    patients = np.repeat([f"p{i}" for i in range(6)], [40, 8, 8, 8, 8, 8])
    scores = neighbour_scores(train, slices(2, 80, 1), patients)
    assert 0 < scores["copy_rate_null"] < 0.1
    assert scores["copy_rate"] < 0.3


def test_with_fewer_than_four_patients_every_image_is_its_own():
    train, fake = cloud(20, 0), cloud(20, 1)
    for people in (1, 3):
        patients = np.array([f"p{i % people}" for i in range(20)])
        assert neighbour_scores(train, fake, patients) == neighbour_scores(train, fake)


def test_nearest_leaves_the_point_itself_out_but_not_its_duplicates():
    points = np.array([[0.0], [0.0], [3.0], [7.0]])
    found = nearest(torch.from_numpy(points), 2).numpy()
    assert found.tolist() == [[0, 3], [0, 3], [3, 3], [4, 7]]


def test_constant_features_are_all_the_same_image():
    same = np.ones((10, 4))
    scores = neighbour_scores(same, same)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1
    assert scores["copy_excess"] == 0  # no sample is nearer than what is new
    assert scores["density"] == 2  # ten balls around every sample, over k = 5


def test_too_few_for_five_neighbours_is_an_error():
    with pytest.raises(ScoreError, match="at least 6"):
        neighbour_scores(cloud(5, 0), cloud(20, 1))
    with pytest.raises(ScoreError, match="5 generated"):
        neighbour_scores(cloud(20, 0), cloud(5, 1))
