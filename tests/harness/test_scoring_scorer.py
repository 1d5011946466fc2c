import numpy as np
import pytest
import torch

from harness.api import FeatureSpace, Metric, Population, ScoreError, SpecError, WeightsError
from harness.scoring.cache import FeatureCache
from harness.scoring.metrics.frechet import Frechet
from harness.scoring.metrics.kernel import KernelDistance
from harness.scoring.metrics.manifold import Manifold
from harness.scoring.metrics.patches import SlicedWasserstein
from harness.scoring.metrics.structure import PairwiseMSSSIM
from harness.scoring.scorer import Scorer


class Corners(FeatureSpace):
    """Means of the four quarters of an image: features that a test can count by hand."""

    version = 1
    dimension = 4

    def __init__(self, name="corners"):
        self.name = name
        self.calls = []

    def check(self):
        if self.name == "missing":
            raise WeightsError("no weights")

    def identity(self):
        return {"network": self.name}

    def extract(self, images, device):
        self.calls.append(len(images))
        side = images.shape[-1] // 2
        quarters = images.mean(1).reshape(len(images), 2, side, 2, side).mean((2, 4))
        return quarters.reshape(len(images), 4)


class Mean(Metric):
    """Mean brightness: as simple as a metric can be."""

    version = 1
    needs = "images"

    def __init__(self, score="brightness", result=None):
        self.goals = {score: "lower"}
        self.result = result
        self.calls = []

    def reference(self, train, held_out):
        self.calls.append("reference")

    def compute(self, reference, generated, device):
        self.calls.append("compute")
        return self.result or {next(iter(self.goals)): float(generated.values.mean())}


def images(n, seed, side=16, low=0):
    return np.random.default_rng(seed).integers(low, 256, (n, 1, side, side), dtype=np.uint8)


def people(n):
    return np.array([f"p{i // 2}" for i in range(n)])


def make(metrics, space=None, *, train=None, held_out=None, cache=None):
    train = Population(images(20, 0), people(20)) if train is None else train
    return Scorer(metrics, {"corners": space or Corners()}, train, held_out, torch.device("cpu"), cache)


def distances():
    return {
        "fd": Frechet("corners", "fd"),
        "kd": KernelDistance("corners", "kd"),
        "manifold": Manifold("corners"),
    }


def test_a_space_runs_once_however_many_metrics_share_it():
    space = Corners()
    scorer = make(distances(), space)
    scorer.score(images(10, 1))
    assert space.calls == [10, 20] or space.calls == [20, 10]
    scorer.score(images(8, 2))
    assert sorted(space.calls) == [8, 10, 20]  # real images were not looked at again


def test_only_the_spaces_that_are_asked_for_run():
    space = Corners()
    scores = make({"brightness": Mean()}, space).score(images(3, 1))
    assert space.calls == []
    assert scores == {"brightness": images(3, 1).mean()}


def test_the_real_side_of_a_metric_is_computed_once_and_only_when_it_is_asked_for():
    first, second = Mean("first"), Mean("second")
    scorer = make({"a": first, "b": second})
    for _ in range(3):
        assert scorer.score(images(3, 1), only=["a"]).keys() == {"first"}
    assert first.calls == ["reference", "compute", "compute", "compute"]
    assert second.calls == []
    assert scorer.report(images(3, 1)).scores.keys() == {"first", "second"}
    assert second.calls == ["reference", "compute"]


@pytest.mark.parametrize("name", ["fd", "kd", "manifold", "swd", "ms_ssim"])
def test_a_kept_real_side_gives_the_numbers_of_a_fresh_one(name):
    metrics = distances() | {"swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    held_out = Population(images(10, 5), people(10))
    kept = make({name: metrics[name]}, held_out=held_out)
    kept.report(np.repeat(images(9, 2), 3, 1))
    for fake in (images(10, 1), np.repeat(images(12, 3), 3, 1)):
        fresh = make({name: metrics[name]}, held_out=held_out)
        assert kept.report(fake) == fresh.report(fake)


def test_real_features_outlive_the_process(tmp_path):
    first, second = Corners(), Corners()
    expected = make(distances(), first, cache=tmp_path).score(images(10, 1))
    assert make(distances(), second, cache=tmp_path).score(images(10, 1)) == expected
    assert second.calls == [10]


def test_grey_real_images_are_cached_once_however_they_are_stored(tmp_path):
    make(distances(), cache=tmp_path).score(images(10, 1))
    space, three = Corners(), Population(np.broadcast_to(images(20, 0), (20, 3, 16, 16)))
    make(distances(), space, train=three, cache=tmp_path).score(images(10, 1))
    assert space.calls == [10]


def test_other_images_another_identity_or_version_are_never_served_from_the_cache(tmp_path):
    make(distances(), cache=tmp_path).score(images(10, 1))
    changed = images(20, 0)
    changed[7, 0, 3, 3] += 1

    class Newer(Corners):
        version = 2

    for space, train in (
        (Corners(), Population(changed)),
        (Corners(), Population(images(20, 0)[::-1])),
        (Corners("other weights"), Population(images(20, 0))),
        (Newer(), Population(images(20, 0))),
    ):
        make(distances(), space, train=train, cache=tmp_path).score(images(10, 1))
        assert sorted(space.calls) == [10, 20]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "replaced"])
def test_a_damaged_cache_is_computed_again_and_mended(tmp_path, damage):
    expected = make(distances(), cache=tmp_path).score(images(10, 1))
    (entry,) = tmp_path.glob("*.npz")
    content = bytearray(entry.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        position = bytes(content).index(b"NUMPY") + 200
        content[position] ^= 255
    elif damage == "emptied":
        content = bytearray()
    else:
        other = tmp_path / "other"
        make(distances(), train=Population(images(20, 9)), cache=other).score(images(10, 1))
        (foreign,) = other.glob("*.npz")
        content = bytearray(foreign.read_bytes())
    entry.write_bytes(content)
    space = Corners()
    assert make(distances(), space, cache=tmp_path).score(images(10, 1)) == expected
    assert 20 in space.calls
    again = Corners()
    make(distances(), again, cache=tmp_path).score(images(10, 1))
    assert again.calls == [10]


def test_the_cache_gives_back_exactly_what_was_put(tmp_path):
    cache = FeatureCache(tmp_path)
    features = np.random.default_rng(0).standard_normal((5, 3))
    assert cache.get({"a": 1}) is None
    cache.put({"a": 1}, features)
    assert np.array_equal(cache.get({"a": 1}), features)
    assert cache.get({"a": 2}) is None


def test_order_of_images_on_either_side_changes_no_score():
    metrics = distances() | {"swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    train, fake = images(20, 0), images(14, 1)
    expected = make(metrics, train=Population(train)).score(fake)
    order = np.random.default_rng(0).permutation(14)
    assert make(metrics, train=Population(train[::-1])).score(fake[order]) == pytest.approx(
        expected, rel=1e-9
    )


def test_one_and_three_channels_can_be_compared():
    metrics = {"fd": Frechet("corners", "fd"), "swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    fake = images(10, 1)
    three = np.repeat(fake, 3, axis=1)
    assert make(metrics).score(three) == pytest.approx(make(metrics).score(fake), rel=1e-9)
    # As prepared sets are stored: one channel, seen as three without a copy.
    broadcast = Population(np.broadcast_to(images(20, 0), (20, 3, 16, 16)), people(20))
    assert make(metrics, train=broadcast).score(fake) == pytest.approx(make(metrics).score(fake), rel=1e-9)


def test_training_in_bfloat16_does_not_reach_the_scores():
    metrics = distances() | {"swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    expected = make(metrics).score(images(10, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert make(metrics).score(images(10, 1)) == expected


def test_goals_of_all_metrics_are_merged():
    goals = make({"fd": Frechet("corners", "fd"), "manifold": Manifold("corners")}).goals
    assert goals["fd"] == "lower"
    assert goals["recall"] == "higher"


def test_two_metrics_that_claim_one_score_are_an_error():
    with pytest.raises(SpecError, match="'brightness' is claimed by the metrics a and b"):
        make({"a": Mean(), "b": Mean()})
    hidden = make({"a": Mean(), "b": Mean("other", {"other": 1.0, "brightness": 2.0})})
    with pytest.raises(ScoreError, match="brightness"):
        hidden.score(images(3, 1))


def test_a_space_that_is_not_there_and_a_metric_that_breaks_its_word_are_errors():
    with pytest.raises(SpecError, match="no feature space 'nowhere'"):
        make({"fd": Frechet("nowhere", "fd")})
    with pytest.raises(ScoreError, match="did not return"):
        make({"a": Mean(result={"something": 1.0})}).score(images(3, 1))
    with pytest.raises(ScoreError, match="brightness = nan"):
        make({"a": Mean(result={"brightness": float("nan")})}).score(images(3, 1))


def test_check_asks_every_space_and_counts_images_before_anybody_trains():
    make(distances()).check(6)
    with pytest.raises(WeightsError):
        make(distances(), Corners("missing")).check()
    with pytest.raises(ScoreError, match="5 generated"):
        make(distances()).check(5)
    with pytest.raises(ScoreError, match="4 train"):
        make(distances(), train=Population(images(4, 0))).check(100)
    with pytest.raises(ScoreError, match="1 held-out"):
        make(distances(), held_out=Population(images(1, 0))).check(100)


def test_bad_samples_are_errors():
    scorer = make({"fd": Frechet("corners", "fd")})
    for bad, words in (
        (images(1, 0), "1 generated"),
        (images(0, 0), "0 generated"),
        (images(5, 0, side=8), "8 x 8"),
        (images(5, 0).astype(np.float32), "uint8"),
        (np.full((5, 1, 16, 16), np.nan), "float64"),
    ):
        with pytest.raises(ScoreError, match=words):
            scorer.score(bad)


def test_constant_and_duplicate_samples_have_finite_scores():
    metrics = distances() | {"swd": SlicedWasserstein(), "ms_ssim": PairwiseMSSSIM()}
    for fake in (np.full((8, 1, 16, 16), 7, np.uint8), np.repeat(images(1, 0), 8, 0)):
        report = make(metrics).report(fake)
        assert np.isfinite(list(report.scores.values()) + list(report.context.values())).all()
        assert report.scores["ms_ssim"] == pytest.approx(1)


def test_a_report_adds_halves_error_and_bias_to_the_same_scores():
    scorer = make(distances(), held_out=Population(images(10, 5), people(10)))
    fake = images(16, 3)
    report = scorer.report(fake)
    assert report.scores == scorer.score(fake)
    assert report.context["fd_se"] > 0
    assert report.context["fd_halves_n"] == 10
    assert "fd_overfit" in report.context
    note, *_ = report.notes
    assert "16 generated and 20 real" in note
    assert "2048" in note


def test_versions_name_only_what_was_used():
    assert make({"brightness": Mean()}).versions()["features"] == {}
    assert make(distances()).versions()["features"] == {"corners": {"network": "corners", "version": "1"}}
