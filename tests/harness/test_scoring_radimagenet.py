import numpy as np
import pytest
import torch
import torchvision

from harness.api import WeightsError
from harness.scoring.spaces.radimagenet import RadImageNet, resnet50_backbone
from harness.scoring.weights import Weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random weights in the published form: a ResNet50 whose layers are numbered below ``backbone``."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = torchvision.models.resnet50(weights=None)
    backbone = torch.nn.Sequential()
    backbone.add_module("backbone", torch.nn.Sequential(*list(whole.children())[:9]))
    torch.save(backbone.state_dict(), folder / "ResNet50.pt")
    return folder


def test_features_are_the_pooled_layer_of_that_network(folder):
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 224, 224), dtype=np.uint8)
    features = RadImageNet(Weights(folder, online=False)).extract(images, CPU)
    network = resnet50_backbone()
    network.load_state_dict(torch.load(folder / "ResNet50.pt", weights_only=True))
    # At 224 pixels nothing is resized, so the scaling to [-1, 1] is all that stands before the network.
    batch = (torch.from_numpy(images).float().expand(-1, 3, -1, -1) - 127.5) / 127.5
    with torch.inference_mode():
        expected = network(batch).flatten(1).double().numpy()
    assert features.shape == (2, 2048)
    assert features.dtype == np.float64
    assert np.abs(features - expected).max() < 1e-5 * np.abs(expected).max()


def test_other_sizes_are_resized(folder):
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    assert np.isfinite(RadImageNet(Weights(folder, online=False)).extract(images, CPU)).all()


def test_its_identity_holds_the_digest_of_the_weights(folder):
    space = RadImageNet(Weights(folder, online=False))
    space.check()
    assert len(space.identity()["weights"]) == 64


def test_without_weights_or_with_others_it_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match=r"ResNet50\.pt is not on this machine"):
        RadImageNet(Weights(tmp_path)).check()
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "ResNet50.pt")
    with pytest.raises(WeightsError, match="does not fit"):
        RadImageNet(Weights(tmp_path)).check()
