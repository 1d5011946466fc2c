"""FID and KID through the packages that people would otherwise use, on the same weights."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch_fidelity
from cleanfid import fid as cleanfid
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ..api import Population
from .metrics.frechet import frechet_distance
from .metrics.kernel import Among, kernel_distance
from .spaces.inception import Inception
from .spaces.network import full_precision
from .stored import drop_equal_channels

_SUBSETS = 100


@dataclass(frozen=True)
class CrossCheck:
    """One distance, computed twice.

    Attributes:
        score: Its name.
        package: The package beside ours.
        theirs: What it says.
        ours: What we say, with its resize.
        remark: What had to be replaced, if anything.
    """

    score: str
    package: str
    theirs: float
    ours: float
    remark: str = ""

    @property
    def difference(self) -> float:
        """Relative to theirs."""
        return (self.ours - self.theirs) / abs(self.theirs) if self.theirs else self.ours


def cross_check(
    real: NDArray[np.uint8],
    generated: NDArray[np.uint8],
    space: Inception,
    device: torch.device,
    scores: tuple[str, str],
) -> list[CrossCheck]:
    """Compute the Fréchet distance through clean-fid and through torch-fidelity, beside ours, and KID.

    Both packages get the pixels as they are and do everything else themselves, with one exception: they
    use the weights of ``space``, so that a difference can come from nothing but code. clean-fid's own
    Fréchet function needs a SciPy before 1.18; where it fails, ours takes its features, and the remark
    says so. torch-fidelity averages KID over random subsets, so its value only scatters around ours.

    Args:
        real: uint8 (N, C, H, W) images.
        generated: uint8 (M, C, H, W) images.
        space: Whose weights to use: verified ones, or random ones where none are at hand.
        device: Where networks run.
        scores: What the Fréchet and the kernel distance are called in this space.
    """
    sides = (real, generated)
    clean = Inception(space.weights, space.trained, "clean-fid", space.seed)
    tensorflow = Inception(space.weights, space.trained, "tensorflow", space.seed)
    theirs, remark = _by_clean_fid(sides, clean.trunk()[0].to(device), device)
    frechet, kernel = scores
    fidelity = _by_torch_fidelity(sides, tensorflow.trunk()[0], device)
    features = _features(sides, tensorflow, device)
    distance, _ = kernel_distance(*(Among.of(Population(side)) for side in features))
    spread = fidelity[torch_fidelity.KEY_METRIC_KID_STD]
    return [
        CrossCheck(frechet, "clean-fid", theirs, frechet_distance(*_features(sides, clean, device)), remark),
        CrossCheck(
            frechet,
            "torch-fidelity",
            fidelity[torch_fidelity.KEY_METRIC_FID],
            frechet_distance(*features),
        ),
        CrossCheck(
            kernel,
            "torch-fidelity",
            fidelity[torch_fidelity.KEY_METRIC_KID_MEAN],
            distance,
            f"mean of {_SUBSETS} random subsets, which spread by {spread:.2g}; ours is of all pairs",
        ),
    ]


def _features(
    sides: tuple[NDArray[np.uint8], NDArray[np.uint8]], space: Inception, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return space.extract(sides[0], device), space.extract(sides[1], device)


def _by_clean_fid(
    sides: tuple[NDArray[np.uint8], NDArray[np.uint8]], trunk: nn.Module, device: torch.device
) -> tuple[float, str]:
    def network(batch: Tensor) -> Tensor:
        features: Tensor = trunk((batch - 128) / 128)
        return features

    features = []
    for images in sides:
        with tempfile.TemporaryDirectory() as folder, full_precision():
            for number, image in enumerate(images):
                pixels = drop_equal_channels(image).transpose(1, 2, 0).squeeze()
                Image.fromarray(np.ascontiguousarray(pixels)).save(Path(folder) / f"{number:06d}.png")
            features.append(
                cleanfid.get_folder_features(folder, network, num_workers=0, device=device, verbose=False)
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that N < d is singular, and that SciPy 1.18 drops an argument
            return float(cleanfid.fid_from_feats(*features)), ""
    except TypeError:
        remark = "clean-fid's Fréchet function fails on this SciPy (1.18 or newer): ours on its features"
        return frechet_distance(*(side.astype(np.float64) for side in features)), remark


def _by_torch_fidelity(
    sides: tuple[NDArray[np.uint8], NDArray[np.uint8]], trunk: nn.Module, device: torch.device
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, full_precision():
        # Written by us from tensors: torch-fidelity unpickles whatever it is given.
        weights = Path(folder) / "weights.pth"
        classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
        torch.save({**trunk.state_dict(), **classifier}, weights)
        metrics = torch_fidelity.calculate_metrics(
            input1=_Pixels(sides[1]),
            input2=_Pixels(sides[0]),
            fid=True,
            kid=True,
            kid_subsets=_SUBSETS,
            # Half at most: subsets of all images would be one subset a hundred times, with a spread of 0.
            kid_subset_size=min(100, *(len(side) // 2 for side in sides)),
            rng_seed=0,
            feature_extractor_weights_path=str(weights),
            cuda=device.type == "cuda",
            cache=False,  # its cache knows inputs by name, not by content
            save_cpu_ram=True,  # no worker processes, which would each import torch
            verbose=False,
        )
    return {name: float(value) for name, value in metrics.items()}


class _Pixels(torch.utils.data.Dataset[Tensor]):
    """Images as torch-fidelity takes them: uint8 (3, H, W) tensors."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(np.array(self.images[index])).expand(3, -1, -1)
