import json
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.api import Population, ScoreError
from harness.scoring.metrics.log_frechet import LogFrechet
from harness.scoring.metrics.standardised import StandardisedKernel, StandardisedManifold
from harness.scoring.spaces.radiomics.space import NAMES, Radiomics
from harness.scoring.weights import Weights
from harness.testing.features import check_features
from harness.testing.metric import check_metric

CPU = torch.device("cpu")


@pytest.fixture
def space(tmp_path):
    return Radiomics(Weights(tmp_path, online=False))


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).with_name("golden.npz"), allow_pickle=False) as kept:
        return kept["images"], kept["features"], json.loads(str(kept["about"]))


def score(real, generated, metric=None):
    metric = metric or LogFrechet("radiomics", "frd")
    return metric.compute(metric.reference(Population(real), None), Population(generated), CPU)


def test_every_feature_is_that_of_pyradiomics(space, golden):
    images, theirs, about = golden
    assert about["names"] == list(NAMES)
    ours = space.extract(images, CPU)
    # Where a feature is 0 by symmetry both sides have rounding, of the largest value that it takes.
    allowed = 1e-9 * np.abs(theirs) + 1e-14 * np.abs(theirs).max(axis=0)
    wrong = [(image, NAMES[n]) for image, n in np.argwhere(np.abs(ours - theirs) > allowed)]
    assert not wrong


def test_frd_is_that_of_frd_score(space, golden):
    images, _, about = golden
    features = space.extract(images, CPU)
    assert len(about["distances"]) == 4
    for pair in about["distances"].values():
        real, generated = (features[slice(*pair[side])] for side in ("real", "generated"))
        assert score(real, generated)["frd"] == pytest.approx(pair["frd"], abs=1e-4)


def test_the_space_and_its_metrics_keep_their_contracts():
    for checked in (
        check_features(Radiomics),
        check_metric(LogFrechet, space="radiomics", score="frd"),
        check_metric(StandardisedKernel, space="radiomics", score="kid_radiomics"),
        check_metric(StandardisedManifold, space="radiomics", suffix="_radiomics"),
    ):
        assert not checked.findings, checked.findings


def test_an_image_has_the_same_features_in_any_company(space, golden):
    images = np.concatenate([golden[0]] * 4)  # more than fit into one batch
    together = space.extract(images, CPU)
    alone = np.concatenate([space.extract(image[None], CPU) for image in images[:20]])
    np.testing.assert_allclose(together[-20:], alone, rtol=1e-9, atol=1e-9)


def test_grey_is_the_same_in_three_channels_and_colour_is_luminance(space, golden):
    images = golden[0][:3]
    np.testing.assert_array_equal(space.extract(images.repeat(3, 1), CPU), space.extract(images, CPU))
    red = np.zeros((1, 3, 16, 16), np.uint8)
    red[:, 0, 4:9, 3:7] = 200
    features = dict(zip(NAMES, space.extract(red, CPU)[0], strict=True))
    assert features["diagnostics_Image-original_Maximum"] == pytest.approx(0.2125 * 200)


@pytest.mark.parametrize("shape", [(8, 8), (33, 33), (9, 20), (64, 17)])
def test_any_shape_has_finite_features(space, shape):
    images = np.random.default_rng(0).integers(0, 256, (3, 1, *shape), np.uint8)
    assert np.isfinite(space.extract(images, CPU)).all()


def test_empty_and_constant_images_have_finite_features_by_convention(space):
    images = np.stack([np.full((1, 32, 32), value, np.uint8) for value in (0, 7, 255)])
    features = space.extract(images, CPU)
    assert np.isfinite(features).all()
    # All texture of a constant image is the same; only its own level tells it from another.
    assert (features[0, 3:] == features[2, 3:]).all()
    found = dict(zip(NAMES, features[1], strict=True))
    assert found["diagnostics_Image-original_Mean"] == 7
    assert found["original_glcm_Correlation"] == 1
    assert found["original_glcm_Imc1"] == found["original_glcm_Imc2"] == 0
    assert found["original_glcm_JointEntropy"] == pytest.approx(0, abs=1e-15)
    assert found["original_ngtdm_Coarseness"] == 1e6
    assert found["original_glszm_ZonePercentage"] == 1 / 16**2


def test_images_that_are_too_small_are_refused(space):
    with pytest.raises(ScoreError, match="7 x 40 pixels"):
        space.extract(np.zeros((2, 1, 7, 40), np.uint8), CPU)


def test_frd_is_the_logarithm_of_a_distance_in_standard_deviations():
    # By hand: real 0 and 2 has mean 1 and deviation 1; generated 3 and 5 is then 2 and 4. Means 3 apart,
    # both variances 2 over N - 1: the squared distance is 9. The second feature is the same in all real images.
    real, generated = np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 1.0], [5.0, 9.0]])
    assert score(real, generated)["frd"] == pytest.approx(np.log(9))


def test_units_of_a_feature_change_no_score():
    rng = np.random.default_rng(3)
    real, generated = rng.normal(size=(30, 5)), rng.normal(0.3, 1.2, (25, 5))
    units = np.array([1e8, 1e-3, 1.0, 7.0, 100.0])
    for metric in (
        LogFrechet("radiomics", "frd"),
        StandardisedKernel("radiomics", "kid_radiomics"),
        StandardisedManifold("radiomics", "_radiomics"),
    ):
        plain, scaled = score(real, generated, metric), score(real * units, generated * units, metric)
        assert scaled == pytest.approx(plain, rel=1e-4)


def test_equal_sets_have_the_smallest_frd_and_equal_images_no_unit(golden):
    features = golden[1]
    assert score(features, features)["frd"] < -15
    with pytest.raises(ScoreError, match="all have the same features"):
        score(features[[0, 0, 0]], features)


def test_frd_grows_with_blur_and_with_noise(space, golden):
    from scipy.ndimage import gaussian_filter

    real = golden[0][:10]
    rng = np.random.default_rng(0)
    blurred = [gaussian_filter(real.astype(float), (0, 0, s, s)) for s in (0.5, 1.0, 2.0)]
    noisy = [real + rng.normal(0, s, real.shape) for s in (2, 8, 32)]
    for worse in (blurred, noisy):
        scores = [
            score(space.extract(real, CPU), space.extract(one.clip(0, 255).astype(np.uint8), CPU))["frd"]
            for one in worse
        ]
        assert scores == sorted(scores)


def test_context_of_frd_is_in_logarithms_and_says_when_samples_are_too_near():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(60, 4))
    patients = np.repeat([f"p{n}" for n in range(20)], 3)
    metric = LogFrechet("radiomics", "frd")
    reference = metric.reference(Population(real, patients), None)
    generated = Population(rng.normal(size=(60, 4)))
    context = metric.context(reference, generated, CPU)
    value = metric.compute(reference, generated, CPU)["frd"]
    assert context["frd_halves_n"] == 30
    assert np.log(1e-10) < context["frd_halves"] < np.log(10)
    assert 0 < context["frd_se"] < 3
    assert abs(value - context["frd_at_halves"]) < 3
    assert not metric.caveats({"frd": value}, context)
    near = context | {"frd_at_halves": context["frd_perfect"] - 2}
    (note,) = metric.caveats({"frd": value}, near)
    assert "exp(frd)" in note
    assert "copying" in note


def test_exact_copies_have_a_distance_and_no_error_of_its_logarithm():
    real = np.random.default_rng(0).normal(size=(60, 4))
    metric = LogFrechet("radiomics", "frd")
    reference = metric.reference(Population(real), None)
    context = metric.context(reference, Population(real), CPU)
    assert "frd_se" not in context
    (caveat,) = metric.caveats({"frd": np.log(1e-10)}, context)
    assert "copying" in caveat
