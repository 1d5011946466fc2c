"""The Inception feature spaces: verified weights, or none at all under another name."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from ...api import WeightsError, WeightsFile, WeightsLocator
from ...files import sha256_of_file
from ..stored import check_images
from ..weights import load_state
from .batches import clean_batches, tensorflow_batches
from .network import NetworkSpace, network_features

# The publisher ends the name with the first digits of the file's sha256, as torch.hub does.
INCEPTION_WEIGHTS = WeightsFile(
    name=fidelity.URL_INCEPTION_V3.rsplit("/", 1)[-1], sha256="6726825d", url=fidelity.URL_INCEPTION_V3
)
_SIDE = 299
_BATCH = 32


class Inception(NetworkSpace):
    """2048 pooled features of the Inception network that every published FID is computed with.

    The network is torch-fidelity's port of the TensorFlow graph of 2015-12-05. Without trained weights it
    is a random projection with the same architecture, useful to compare runs, and never called FID: its
    features carry another space's name.

    Args:
        weights: Finds the file.
        trained: Load the published weights; else draw random ones from ``seed``.
        resize: ``"clean-fid"`` (antialiased bicubic) or ``"tensorflow"`` (aliased bilinear, as in the
            original graph and in torch-fidelity). Scores of the two don't compare.
        seed: Of the random weights.
    """

    version: ClassVar[int] = 1
    dimension = 2048

    def __init__(
        self,
        weights: WeightsLocator,
        trained: bool = True,
        resize: Literal["clean-fid", "tensorflow"] = "clean-fid",
        seed: int = 0,
    ) -> None:
        super().__init__(weights)
        self.trained = trained
        self.resize = resize
        self.seed = seed

    def check(self) -> None:
        """Make sure that the verified weights are at hand, downloading them if that is allowed."""
        if self.trained:
            self.weights.find(INCEPTION_WEIGHTS)

    def identity(self) -> Mapping[str, str]:
        """Network, sha256 of the weights and resize."""
        return {
            "network": "inception-2015-12-05"
            if self.trained
            else f"inception-2015-12-05, random, seed {self.seed}",
            "weights": self.load()[1],
            "resize": self.resize,
        }

    def extract(self, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float64]:
        """Features of uint8 (N, C, H, W) images as float64 (N, 2048); computed in float32."""
        check_images(images)
        network = self.load()[0].to(device)
        batches = clean_batches if self.resize == "clean-fid" else tensorflow_batches
        scaled = ((batch - 128) / 128 for batch in batches(images, _SIDE, _BATCH, device))
        return network_features(network, scaled, self.dimension)

    def read(self) -> tuple[nn.Module, str]:
        """The network with its weights, and their sha256.

        Raises:
            WeightsError: The weights are missing, or another network's.
        """
        network, digest = self.trunk()
        return fold_batch_norm(network).to(memory_format=torch.channels_last), digest

    def trunk(self) -> tuple[nn.Sequential, str]:
        """The same, batch normalisation not folded yet."""
        network = inception_trunk()
        if not self.trained:
            return network, randomise(network, self.seed)
        path = self.weights.find(INCEPTION_WEIGHTS)
        load_trunk(network, load_state(path, INCEPTION_WEIGHTS))
        return network, sha256_of_file(path)


def inception_trunk() -> nn.Sequential:
    """torch-fidelity's Inception up to the 2048 pooled features, empty, with the names of its weights file.

    It is put together from torch-fidelity's blocks, since its own class always unpickles or downloads.
    """
    # On "meta" nothing is initialised: that would be slow, and would draw from the global generator, which
    # belongs to whoever is training.
    with torch.device("meta"):
        network = nn.Sequential(OrderedDict(_layers()))
    return network.to_empty(device="cpu").requires_grad_(False).eval()


def _layers() -> list[tuple[str, nn.Module]]:
    conv, pool = fidelity.BasicConv2d, nn.MaxPool2d
    return [
        ("Conv2d_1a_3x3", conv(3, 32, kernel_size=3, stride=2)),
        ("Conv2d_2a_3x3", conv(32, 32, kernel_size=3)),
        ("Conv2d_2b_3x3", conv(32, 64, kernel_size=3, padding=1)),
        ("MaxPool_1", pool(kernel_size=3, stride=2)),
        ("Conv2d_3b_1x1", conv(64, 80, kernel_size=1)),
        ("Conv2d_4a_3x3", conv(80, 192, kernel_size=3)),
        ("MaxPool_2", pool(kernel_size=3, stride=2)),
        ("Mixed_5b", fidelity.InceptionA(192, pool_features=32)),
        ("Mixed_5c", fidelity.InceptionA(256, pool_features=64)),
        ("Mixed_5d", fidelity.InceptionA(288, pool_features=64)),
        ("Mixed_6a", fidelity.InceptionB(288)),
        ("Mixed_6b", fidelity.InceptionC(768, channels_7x7=128)),
        ("Mixed_6c", fidelity.InceptionC(768, channels_7x7=160)),
        ("Mixed_6d", fidelity.InceptionC(768, channels_7x7=160)),
        ("Mixed_6e", fidelity.InceptionC(768, channels_7x7=192)),
        ("Mixed_7a", fidelity.InceptionD(768)),
        ("Mixed_7b", fidelity.InceptionE_1(1280)),
        ("Mixed_7c", fidelity.InceptionE_2(2048)),
        ("AvgPool", nn.AdaptiveAvgPool2d(output_size=(1, 1))),
        ("Flatten", nn.Flatten()),
    ]


def load_trunk(network: nn.Sequential, state: Mapping[str, Tensor]) -> None:
    """Load torch-fidelity's state; its classifier ``fc`` has no place in the features.

    Raises:
        WeightsError: The tensors are another network's.
    """
    try:
        network.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
    except RuntimeError as error:
        raise WeightsError(
            "these are not the weights of this Inception network",
            needed=f"{INCEPTION_WEIGHTS.name} from {INCEPTION_WEIGHTS.url}",
        ) from error


def randomise(network: nn.Module, seed: int) -> str:
    """Draw He-normal convolutions, which keep the scale of features through all layers.

    Returns:
        The sha256 of the weights: proof that two machines drew the same.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    digest = hashlib.sha256()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            values = rng.standard_normal(module.weight.shape, dtype=np.float32) * np.float32(
                (2 / fan_in) ** 0.5
            )
            module.weight.copy_(torch.from_numpy(values))
            digest.update(values.tobytes())
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return digest.hexdigest()


def fold_batch_norm(network: nn.Sequential) -> nn.Sequential:
    """Fold every batch normalisation into its convolution, in place: the same function in fewer steps."""
    for module in network.modules():
        if isinstance(module, fidelity.BasicConv2d):
            # In float64, so that it costs no accuracy.
            folded = fuse_conv_bn_eval(module.conv.double(), module.bn.double())
            module.conv, module.bn = folded.float(), nn.Identity()
    return network
