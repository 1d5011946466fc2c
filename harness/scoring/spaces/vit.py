"""Feature spaces of vision transformers (ViT) that learnt without labels: DINOv2, RAD-DINO, RadioDINO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...api import WeightsError, WeightsFile, WeightsLocator
from ...files import sha256_of_file
from ..stored import check_images
from ..weights import load_state
from .batches import clean_batches
from .layouts import as_in_timm
from .network import NetworkSpace, network_features

_BATCH = 16
_RGB = tuple[float, float, float]
_IMAGENET: tuple[_RGB, _RGB] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Architecture(NamedTuple):
    """A published network.

    Attributes:
        network: Its name in timm.
        width: Length of its class token.
        side: Pixels of the images that it sees.
        mean: What is taken off pixels in [0, 1], for red, green and blue.
        deviation: What they are divided by then.
        file: Its weights. No digest is published, so that of the record is the only proof of which they were.
        options: Of timm's network, where they are not its own.
    """

    network: str
    width: int
    side: int
    mean: _RGB
    deviation: _RGB
    file: WeightsFile
    options: Mapping[str, Any] = {}


def _published(repository: str, name: str) -> WeightsFile:
    """Everybody's file is called ``model.safetensors``, so it is kept under a name of its own."""
    return WeightsFile(name, url=f"https://huggingface.co/{repository}/resolve/main/model.safetensors")


ARCHITECTURES = {
    "dinov2": Architecture(
        "vit_large_patch14_dinov2", 1024, 224, *_IMAGENET,
        _published("facebook/dinov2-large", "dinov2-large.safetensors"),
    ),
    "rad-dino": Architecture(
        "vit_base_patch14_dinov2", 768, 518, (0.5307,) * 3, (0.2583,) * 3,
        _published("microsoft/rad-dino", "rad-dino.safetensors"),
    ),
    "radiodino": Architecture(
        "vit_small_patch16_224", 384, 224, *_IMAGENET,
        _published("Snarcy/RadioDino-s16", "radiodino-s16.safetensors"),
    ),
}  # fmt: skip


class VisionTransformer(NetworkSpace):
    """The normalised class token of a vision transformer that was trained without labels.

    - ``dinov2``: ViT-L/14 at 224 pixels, learnt on 142 million natural images: 1024 features. Oquab et al.
      2023, "DINOv2: learning robust visual features without supervision"; as a space for Fréchet distances
      Stein et al. 2023, "Exposing flaws of generative model evaluation metrics".
    - ``rad-dino``: ViT-B/14 at 518 pixels, learnt on chest X-rays: 768 features. Pérez-García et al. 2025,
      "Exploring scalable medical image encoders beyond text supervision".
    - ``radiodino``: ViT-S/16 at 224 pixels, learnt on RadImageNet (CT, MR, ultrasound): 384 features. Zedda
      et al. 2025, "Radio DINO: a foundation model for advanced radiomics and AI-driven medical imaging
      analysis".

    Weights are safetensors, in the layout of transformers, of DINOv2's own code, or of timm. Images are
    resized as clean-fid does. Positions that were learnt for other sides are interpolated as transformers
    does it.

    Args:
        weights: Finds the file.
        architecture: Which of them.
    """

    version: ClassVar[int] = 1

    def __init__(self, weights: WeightsLocator, architecture: str) -> None:
        super().__init__(weights)
        self.name = architecture
        self.architecture = ARCHITECTURES[architecture]
        self.dimension = self.architecture.width

    def identity(self) -> Mapping[str, str]:
        """Network, sha256 of the weights and resize."""
        return {
            "network": f"{self.name}, {self.architecture.network}",
            "weights": self.load()[1],
            "resize": f"clean-fid, {self.architecture.side}",
        }

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images as float64 (N, d); computed in float32."""
        check_images(images)
        network = self.load()[0].to(device)
        one = self.architecture
        mean, deviation = (
            torch.tensor(values, device=device)[:, None, None] for values in (one.mean, one.deviation)
        )
        batches = clean_batches(images, one.side, _BATCH, device)
        return network_features(
            network, ((batch / 255 - mean) / deviation for batch in batches), self.dimension
        )

    def read(self) -> tuple[nn.Module, str]:
        """The network with its weights, and their sha256.

        Raises:
            WeightsError: timm or the weights are missing, or these are another network's.
        """
        file = self.architecture.file
        path = self.weights.find(file)
        network = empty_network(self.architecture)
        try:
            network.load_state_dict(as_in_timm(load_state(path, file), network.state_dict()))
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                f"{path} does not fit {self.name}'s {self.architecture.network}",
                needed=f"{file.url} under the name {file.name}",
            ) from error
        return network, sha256_of_file(path)


def empty_network(architecture: Architecture) -> nn.Module:
    """The network as timm builds it, without a classifier, and empty.

    Raises:
        WeightsError: timm is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise WeightsError(
            "timm, which builds vision transformers, is not installed",
            needed="timm",
            hint="pip install 'hagan-bench[features]'",
        ) from error
    # On "meta" nothing is initialised, so nothing is drawn from the trainer's random generator.
    with torch.device("meta"):
        network: nn.Module = timm.create_model(
            architecture.network,
            pretrained=False,
            num_classes=0,
            img_size=architecture.side,
            **architecture.options,
        )
    return network.to_empty(device="cpu").requires_grad_(False).eval()
