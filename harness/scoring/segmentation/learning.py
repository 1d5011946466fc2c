"""How a network learns to segment: one recipe and one budget, whoever made the images and their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ...api import UNKNOWN_LABEL
from ...interrupting import look
from ..stored import canonical_order, fingerprint
from .network import UNet

NetworkT = TypeVar("NetworkT", bound=nn.Module)
_AT_ONCE = 64

#: A pixel weighs one over how often its label occurs, to this power. With 0.5 or less some trainings hardly
#: see a structure of few pixels: on pairs of ACDC at 32 px Dice has a standard deviation of 0.06 to 0.2 over
#: four trainings with 0.5, of 0.01 with 0.75 and 1. On the phantom's lesions 0.75 gives more than 1.
RARITY = 0.75


@dataclass(frozen=True)
class Recipe:
    """How networks are trained; all of it is ours.

    Attributes:
        seeds: Trainings, each from other first weights and with another order of images.
        steps: Of each training, however many images there are.
        batch: Images a step.
        width: Channels of the network at full size.
        lr: Adam's learning rate, falling to 0 along half a cosine.
    """

    seeds: int = 3
    steps: int = 250
    batch: int = 8
    width: int = 16
    lr: float = 5e-3

    def as_dict(self) -> dict[str, Any]:
        """Everything that a trained network depends on, beside its images."""
        return asdict(self)


class Pairs(NamedTuple):
    """Images and what they show.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: uint8 (N, 1, H, W); ``UNKNOWN_LABEL`` where nobody knows.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def ordered(self) -> Pairs:
        """The pairs of which something is known, in an order that depends on their content alone."""
        known = np.array([bool((one != UNKNOWN_LABEL).any()) for one in self.labels], dtype=np.bool_)
        images, labels = self.images[known], self.labels[known]
        # By images and, where these are equal, by labels.
        both = canonical_order(np.concatenate([images, labels], axis=1))
        return Pairs(images[both], labels[both])

    def beside(self, others: Pairs) -> Pairs:
        """These and others."""
        return Pairs(
            np.concatenate([self.images, others.images]), np.concatenate([self.labels, others.labels])
        )

    @property
    def fingerprint(self) -> str:
        """Digest of all images and labels."""
        return f"{fingerprint(self.images)} {fingerprint(self.labels)}"


def learn(pairs: Pairs, classes: int, recipe: Recipe, seed: int, device: torch.device) -> UNet:
    """Train one network. On a CPU the same pairs in the same order always give the same one.

    The loss is the cross-entropy, where a pixel weighs the rarer its label, the more (``RARITY``), plus one
    minus the soft Dice coefficient of a batch (Milletari et al. 2016), mean over the labels. Unknown pixels
    count for neither.

    Args:
        pairs: What to learn from, at least one.
        classes: Nothing, and every label.
        recipe: How.
        seed: Which training.
        device: Where.
    """
    channels = pairs.images.shape[1]
    weights = torch.from_numpy(_weights_of(pairs.labels, classes)).to(device)
    return trained(
        lambda: UNet(channels, classes, recipe.width),
        pairs,
        lambda scores, maps: _loss(scores, maps[:, 0].long(), weights),
        recipe,
        seed,
        device,
    )


def trained(
    make: Callable[[], NetworkT],
    pairs: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    recipe: Recipe,
    seed: int,
    device: torch.device,
) -> NetworkT:
    """Train a network of any kind by the recipe.

    Args:
        make: Makes it, from torch's global random numbers.
        pairs: Images, and what is to be said of each, in an order of their own.
        loss_of: The loss of what it says and what is to be said.
        recipe: How.
        seed: Which training.
        device: Where.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = make().to(device)
        random = np.random.default_rng([seed, len(pairs[0])])
        optimizer = torch.optim.Adam(network.parameters(), recipe.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
        waiting: list[int] = []
        for _ in range(recipe.steps):
            look()
            while len(waiting) < recipe.batch:
                waiting += random.permutation(len(pairs[0])).tolist()
            chosen, waiting = waiting[: recipe.batch], waiting[recipe.batch :]
            images, answers = (_on(stack[chosen], device) for stack in pairs)
            loss = loss_of(network(scaled(images)), answers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def segment(network: UNet, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.uint8]:
    """What a network sees in uint8 (N, C, H, W) images: labels, uint8 (N, 1, H, W)."""
    seen = []
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            look()
            scores = network(scaled(_on(images[start : start + _AT_ONCE], device)))
            seen.append(scores.argmax(dim=1, keepdim=True).byte().cpu().numpy())
    return np.concatenate(seen)


def packed(networks: Sequence[UNet]) -> NDArray[np.float64]:
    """The weights of networks of one shape, float64 (networks, weights), which holds float32 exactly."""
    return np.stack([_weights(network).cpu().double().numpy() for network in networks])


def unpacked(
    weights: NDArray[np.float64], channels: int, classes: int, recipe: Recipe, device: torch.device
) -> list[UNet]:
    """The networks that ``packed`` was given."""
    networks = []
    for row in weights:
        network = UNet(channels, classes, recipe.width)
        torch.nn.utils.vector_to_parameters(torch.from_numpy(row).float(), network.parameters())
        networks.append(network.to(device).eval())
    return networks


def scaled(images: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def _weights(network: UNet) -> Tensor:
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach()


def _on(stack: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(stack)).to(device)


def _weights_of(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """What a pixel of each label weighs."""
    counts = np.bincount(labels.ravel(), minlength=256)[:classes]
    weights: NDArray[np.float32] = (counts.sum() / np.maximum(counts, 1)) ** RARITY
    return weights.astype(np.float32)


def _loss(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    known = (labels != UNKNOWN_LABEL).unsqueeze(1)
    weighed = weights[labels.clamp(max=len(weights) - 1)] * known[:, 0]
    # A batch of which nothing is known would have a cross-entropy of 0 / 0.
    entropy = F.cross_entropy(scores, labels, weights, ignore_index=UNKNOWN_LABEL, reduction="sum")
    entropy = entropy / weighed.sum().clamp(min=1)
    numbers = torch.arange(scores.shape[1], device=scores.device)[:, None, None]
    truth = (labels.unsqueeze(1) == numbers) & known
    shares = scores.softmax(dim=1) * known
    overlap, total = ((shares * truth).sum((0, 2, 3)), shares.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
    return entropy + 1 - ((2 * overlap[1:] + 1) / (total[1:] + 1)).mean()
