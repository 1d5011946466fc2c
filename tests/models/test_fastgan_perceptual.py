"""LPIPS in FastGAN: the distance by hand, files that are not what they should be, and training with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from harness_models.fastgan import FastGAN
from harness_models.fastgan.perceptual import LAYERS, VGG, PerceptualDistance
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu
from torchvision.models.vgg import cfgs, make_layers

from harness.api import Batch, Clock, ImageShape, WeightsError

WIDTHS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights, laid out as the published files are."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    vgg = {f"features.{key}": tensor for key, tensor in make_layers(cfgs["D"]).state_dict().items()}
    layers = {f"lin{n}.model.1.weight": torch.rand(1, width, 1, 1) for n, width in enumerate(WIDTHS)}
    for file, tensors in ((VGG, vgg), (LAYERS, layers)):
        torch.save(tensors, folder / file.name)
    return {file.name: folder / file.name for file in (VGG, LAYERS)}


def by_hand(files: dict[str, Path], images: Tensor, target: Tensor) -> Tensor:
    """Eq. 1 of Zhang et al. 2018, written once more, layer by layer."""
    vgg, layers = (torch.load(files[file.name], weights_only=True) for file in (VGG, LAYERS))
    total = torch.zeros(())
    pair = [images.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1)]
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    maps = [(one - shift) / scale for one in pair]
    number = 0
    for block, convolutions in enumerate((2, 2, 3, 3, 3)):
        if block:
            maps = [max_pool2d(one, 2) for one in maps]
            number += 1
        for _ in range(convolutions):
            weight, bias = vgg[f"features.{number}.weight"], vgg[f"features.{number}.bias"]
            maps = [relu(conv2d(one, weight, bias, padding=1)) for one in maps]
            number += 2
        ours, theirs = (one / (one.square().sum(1, keepdim=True).sqrt() + 1e-10) for one in maps)
        weights = layers[f"lin{block}.model.1.weight"]
        total = total + conv2d((ours - theirs).square(), weights).mean()
    return total


@pytest.mark.parametrize("channels", [1, 3])
def test_the_distance_by_hand(files: dict[str, Path], channels: int) -> None:
    images, target = torch.rand(2, 2, channels, 16, 16) * 2 - 1
    distance = PerceptualDistance(files)
    torch.testing.assert_close(distance(images, target), by_hand(files, images, target))
    assert distance(images, images) == 0
    assert set(distance.digests) == set(files)


def test_its_gradient_reaches_images_and_nothing_of_it_learns(files: dict[str, Path]) -> None:
    images = torch.zeros(1, 1, 16, 16, requires_grad=True)
    distance = PerceptualDistance(files)
    distance(images, torch.ones(1, 1, 16, 16)).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in distance.parameters())


@pytest.mark.parametrize("wrong", ["swapped", "damaged"])
def test_other_files_are_refused(files: dict[str, Path], tmp_path: Path, wrong: str) -> None:
    if wrong == "swapped":
        others = dict(zip(files, reversed(files.values()), strict=True))
    else:
        (tmp_path / "no weights").write_bytes(b"a page that says: not found")
        others = {**files, VGG.name: tmp_path / "no weights"}
    with pytest.raises(WeightsError):
        PerceptualDistance(others)


def fastgan(labels: int = 0, **options: object) -> FastGAN:
    config = FastGAN.Config(width=64, distance="perceptual", **options)
    return FastGAN(ImageShape(1 + labels, 32, 32, labels), config)


@pytest.mark.parametrize("labels", [0, 2])
def test_training_with_it(files: dict[str, Path], labels: int) -> None:
    model = fastgan(labels)
    assert model.needed_weights(model.config) == (VGG, LAYERS)
    counted, saved = sum(one.numel() for one in model.parameters()), set(model.state_dict())
    model.use_weights(files)
    assert sum(one.numel() for one in model.parameters()) == counted, "it is no part of the model"
    assert set(model.state_dict()) == saved
    clock = Clock(step=0, epoch=0, epochs=1)
    losses = model.train_step(Batch(torch.rand(2, 1 + labels, 32, 32) * 2 - 1), clock)
    assert all(loss.isfinite() for loss in losses.values())
    assert any("LPIPS" in line and VGG.name in line for line in model.caveats(clock))


def test_without_its_weights_it_says_what_to_type() -> None:
    model = fastgan()
    clock = Clock(step=0, epoch=0, epochs=1)
    with pytest.raises(WeightsError, match="can't be compared") as refused:
        model.train_step(Batch(torch.zeros(2, 1, 32, 32)), clock)
    assert "distance=absolute" in str(refused.value.hint)


def test_nothing_is_needed_for_the_absolute_error() -> None:
    assert FastGAN.needed_weights(FastGAN.Config()) == ()
    assert FastGAN.needed_weights(FastGAN.Config(distance="perceptual", reconstruction=0)) == ()
