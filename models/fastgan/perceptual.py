"""LPIPS, the learnt distance that FastGAN compares its reconstructions by, where its weights are at hand.

Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", Eq. 1;
version 0.1 with the network VGG16 (Simonyan and Zisserman 2015).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.models.vgg import cfgs, make_layers

from harness.api import WeightsError, WeightsFile, pass_on_shortage

VGG = WeightsFile("vgg16-397923af.pth", "397923af", "https://download.pytorch.org/models/vgg16-397923af.pth")
LAYERS = WeightsFile(
    "lpips-vgg-0.1.pth",
    "",
    "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth",
)
_WIDTHS = (64, 128, 256, 512, 512)
#: VGG16 is looked at behind these layers, the last of each of its five blocks before maps are halved.
_ENDS = (3, 8, 15, 22, 29)
#: What takes images from [-1, 1] to ImageNet's mean and deviation.
_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class PerceptualDistance(nn.Module):
    """The mean LPIPS distance of pairs of images. It doesn't learn.

    Args:
        files: The paths of ``VGG`` and ``LAYERS`` by their names.

    Attributes:
        digests: sha256 of each file, by its name.

    Raises:
        WeightsError: A file holds other weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__()
        self.digests = {name: _digest(path) for name, path in files.items()}
        # Without the layers that classify, which are nine tenths of VGG16.
        self.features = make_layers(cfgs["D"])[: _ENDS[-1] + 1]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # what is looked at stays as it was
        vgg, layers = (_tensors(files[file.name]) for file in (VGG, LAYERS))
        _load(self.features, {key: vgg.get(f"features.{key}") for key in self.features.state_dict()}, VGG)
        self.weights = nn.ParameterList(torch.empty(1, width, 1, 1) for width in _WIDTHS)
        _load(self.weights, {str(n): layers.get(f"lin{n}.model.1.weight") for n in range(5)}, LAYERS)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None])
        self.requires_grad_(requires_grad=False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """The distance, a scalar, of images (n, 1 or 3, h, w) in [-1, 1] from what they should be."""
        total = images.new_zeros(())
        for weight, ours, theirs in zip(self.weights, self._seen(images), self._seen(target), strict=True):
            total = total + (weight * (ours - theirs).square()).sum(dim=1).mean()
        return total

    def _seen(self, images: Tensor) -> list[Tensor]:
        """What VGG16 sees at its five depths, of length 1 at each place."""
        maps = (images.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        seen = []
        for number, layer in enumerate(self.features):
            maps = layer(maps)
            if number in _ENDS:
                seen.append(normalize(maps, dim=1, eps=_EPSILON))
        return seen


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(path: Path) -> Mapping[str, Any]:
    """The tensors of a file by name; nothing else in it is read."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise almost anything
        pass_on_shortage(error)
        raise WeightsError(
            f"{path} can't be read as weights", needed="the published file", hint="get it again"
        ) from error
    return found if isinstance(found, Mapping) else {}


def _load(module: nn.Module, state: Mapping[str, Any], file: WeightsFile) -> None:
    for name, tensor in module.state_dict().items():
        other = state.get(name)
        if not isinstance(other, Tensor) or other.shape != tensor.shape:
            raise WeightsError(
                f"{file.name} holds other weights: {name} should be of {tuple(tensor.shape)}",
                needed="the published file",
                hint=f"download {file.url}",
            )
    module.load_state_dict(dict(state))
