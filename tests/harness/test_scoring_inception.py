import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from cleanfid.resize import make_resizer
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from harness.api import ScoreError, WeightsError, WeightsFile
from harness.scoring.spaces import inception
from harness.scoring.spaces.batches import clean_batches
from harness.scoring.spaces.inception import (
    Inception,
    fold_batch_norm,
    inception_trunk,
    load_trunk,
    randomise,
)
from harness.scoring.weights import Weights

CPU = torch.device("cpu")


def images(n=3, channels=3, side=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)


@pytest.fixture(scope="module")
def random_space(tmp_path_factory):
    return Inception(Weights(tmp_path_factory.mktemp("none"), online=False), trained=False)


@pytest.fixture(scope="module")
def state():
    """A whole state of torch-fidelity's network: random, with batch statistics that are not trivial."""
    network = inception_trunk()
    randomise(network, 7)
    state = network.state_dict()
    rng = np.random.default_rng(1)
    for name, value in state.items():
        if "running_mean" in name or name.endswith("bn.bias"):
            state[name] = torch.from_numpy(rng.normal(0, 0.1, value.shape)).float()
        elif "running_var" in name or name.endswith("bn.weight"):
            state[name] = torch.from_numpy(rng.uniform(0.7, 1.3, value.shape)).float()
    return state | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


@pytest.fixture
def weights_file(state, tmp_path, monkeypatch):
    """A weights file of the right architecture, whose name tells its digest as the published one's does."""
    path = tmp_path / "state.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = WeightsFile(name=f"weights-inception-{digest[:8]}.pth", sha256=digest[:8])
    monkeypatch.setattr(inception, "INCEPTION_WEIGHTS", file)
    return path.rename(tmp_path / file.name)


def test_the_resize_is_clean_fids_to_the_last_bit_for_grey_and_colour():
    batch = images()
    batch[1] = batch[1, :1]  # grey in three channels
    resize = make_resizer("PIL", False, "bicubic", (299, 299))
    expected = np.stack([resize(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in batch])
    for size in (1, 2, 3):
        ours = torch.cat(list(clean_batches(batch, 299, size, CPU))).numpy()
        assert np.array_equal(ours, expected)
    single = torch.cat(list(clean_batches(batch[1:2, :1], 299, 1, CPU))).numpy()
    assert np.array_equal(single, expected[1:2])


def test_the_network_is_torch_fidelitys(state, weights_file):
    theirs = FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(weights_file))
    batch = images(2, side=299)
    expected = theirs(torch.from_numpy(batch))[0].double().numpy()
    # At 299 pixels neither resize does anything, so one network must give one answer.
    for resize in ("clean-fid", "tensorflow"):
        space = Inception(Weights(weights_file.parent), resize=resize)
        features = space.extract(batch, CPU)
        assert features.dtype == np.float64
        assert features.shape == (2, 2048)
        assert np.abs(features - expected).max() < 2e-6 * np.abs(expected).max()


def test_tensorflow_resize_is_torch_fidelitys_own(state, weights_file):
    theirs = FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(weights_file))
    batch = images(2, side=48)
    expected = theirs(torch.from_numpy(batch))[0].double().numpy()
    features = Inception(Weights(weights_file.parent), resize="tensorflow").extract(batch, CPU)
    assert np.abs(features - expected).max() < 2e-6 * np.abs(expected).max()


def test_folding_batch_norm_changes_nothing(state):
    plain = inception_trunk()
    load_trunk(plain, state)
    folded = inception_trunk()
    load_trunk(folded, state)
    folded = fold_batch_norm(folded)
    x = torch.randn(1, 3, 299, 299, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = plain(x)
        assert (folded(x) - expected).abs().max() < 2e-6 * expected.abs().max()


def test_random_weights_are_a_space_of_their_own(random_space):
    random_space.check()  # nothing is missing, for nothing is needed
    identity = random_space.identity()
    assert "random" in identity["network"]
    again = Inception(random_space.weights, trained=False)
    other = Inception(random_space.weights, trained=False, seed=1)
    assert again.identity() == identity
    assert other.identity()["weights"] != identity["weights"]


def test_one_channel_counts_as_three_equal_ones(random_space):
    grey = images(2, channels=1)
    features = random_space.extract(grey, CPU)
    assert np.array_equal(features, random_space.extract(np.repeat(grey, 3, 1), CPU))
    # Features of other images differ, and none is dead or infinite.
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_batch_size_and_order_leave_features_alone(random_space, monkeypatch):
    batch = images(5)
    batch[2] = batch[2, :1]
    features = random_space.extract(batch, CPU)
    monkeypatch.setattr(inception, "_BATCH", 2)
    scale = np.abs(features).max()
    assert np.abs(random_space.extract(batch, CPU) - features).max() < 1e-6 * scale
    assert np.abs(random_space.extract(batch[::-1], CPU)[::-1] - features).max() < 1e-6 * scale


def test_building_a_network_draws_nothing_from_the_trainers_generator(random_space):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Inception(random_space.weights, trained=False).identity()
    assert torch.rand(1) == expected


def test_the_precision_of_training_does_not_reach_the_features(random_space):
    batch = images(2)
    expected = random_space.extract(batch, CPU)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    try:
        with torch.autocast("cpu", torch.bfloat16):
            features = random_space.extract(batch, CPU)
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("medium", True)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    assert np.array_equal(features, expected)


def test_no_images_give_no_features(random_space):
    assert random_space.extract(images(0), CPU).shape == (0, 2048)


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 3, 8, 8)), np.zeros((2, 4, 8, 8), np.uint8), np.zeros((8, 8), np.uint8)]
)
def test_floats_alpha_and_single_images_are_errors(random_space, bad):
    with pytest.raises(ScoreError, match="uint8"):
        random_space.extract(bad, CPU)


def test_without_weights_there_is_no_fid_space(tmp_path):
    space = Inception(Weights(tmp_path, online=False))
    for ask in (space.check, space.identity, lambda: space.extract(images(1), CPU)):
        with pytest.raises(WeightsError) as caught:
            ask()
        assert "--weights" in caught.value.hint
        assert "6726825d" in caught.value.found


def test_a_truncated_file_is_refused(weights_file):
    weights_file.write_bytes(weights_file.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="is not weights-inception"):
        Inception(Weights(weights_file.parent)).check()


def test_another_networks_weights_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3)}, path)
    monkeypatch.setattr(inception, "INCEPTION_WEIGHTS", WeightsFile(name="other.pth"))
    with pytest.raises(WeightsError, match="not the weights of this"):
        Inception(Weights(tmp_path)).identity()


def test_a_pickle_with_code_is_never_executed(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "trap.pth"
    torch.save({"weight": Trap()}, path)
    monkeypatch.setattr(inception, "INCEPTION_WEIGHTS", WeightsFile(name="trap.pth"))
    with pytest.raises(WeightsError, match="cannot be read"):
        Inception(Weights(tmp_path)).identity()
    assert not (tmp_path / "sprung").exists()


def test_the_published_name_states_the_digest():
    file = inception.INCEPTION_WEIGHTS
    assert file.name.removesuffix(".pth").endswith(file.sha256)
    assert file.url.endswith(file.name)
