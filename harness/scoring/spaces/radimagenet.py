"""Features learnt on 1.35 million radiological images: what a medical network sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn

from ...api import WeightsError, WeightsFile
from ...files import sha256_of_file
from ..stored import check_images
from ..weights import load_state
from .batches import clean_batches
from .network import NetworkSpace, network_features

# Given out on request, so there is neither an address nor a published digest.
RADIMAGENET_WEIGHTS = WeightsFile(name="ResNet50.pt")
_SIDE = 224
_BATCH = 32


class RadImageNet(NetworkSpace):
    """2048 pooled features of the ResNet50 that was trained on RadImageNet.

    The weights are those that the project gives out for PyTorch, ``ResNet50.pt``; pixels are scaled to
    [-1, 1] as in its own training code, after clean-fid's resize to 224 instead of an aliased one.

    Source: Mei et al. 2022, "RadImageNet: an open radiologic deep learning research dataset for effective
    transfer learning"; github.com/BMEII-AI/RadImageNet.

    Args:
        weights: Finds the file.
    """

    version: ClassVar[int] = 1
    dimension = 2048

    def identity(self) -> Mapping[str, str]:
        """Network, sha256 of the weights and resize."""
        return {"network": "radimagenet-resnet50", "weights": self.load()[1], "resize": "clean-fid, 224"}

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images as float64 (N, 2048); computed in float32."""
        check_images(images)
        network = self.load()[0].to(device)
        scaled = ((batch - 127.5) * 2 / 255 for batch in clean_batches(images, _SIDE, _BATCH, device))
        return network_features(network, scaled, self.dimension)

    def read(self) -> tuple[nn.Module, str]:
        """The network with its weights, and their sha256.

        Raises:
            WeightsError: The weights are missing, or another network's.
        """
        path = self.weights.find(RADIMAGENET_WEIGHTS)
        network = resnet50_backbone()
        try:
            network.load_state_dict(load_state(path, RADIMAGENET_WEIGHTS))
        except RuntimeError as error:
            raise WeightsError(
                f"{path} does not fit RadImageNet's ResNet50",
                needed="its PyTorch weights, whose names begin with 'backbone.'",
                hint="see github.com/BMEII-AI/RadImageNet",
            ) from error
        return network.to(memory_format=torch.channels_last), sha256_of_file(path)


def resnet50_backbone() -> nn.Module:
    """Torchvision's ResNet50 without its classifier, empty, with the names of the published weights."""
    # On "meta" nothing is initialised, so nothing is drawn from the trainer's random generator.
    with torch.device("meta"):
        layers = list(torchvision.models.resnet50(weights=None).children())[:9]
        network = nn.Sequential()
        network.add_module("backbone", nn.Sequential(*layers))
    return network.to_empty(device="cpu").requires_grad_(False).eval()
