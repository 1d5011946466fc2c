"""Plain augmentations of real images, on the device: one draw for each image.

A model that imitates real images imitates what was done to them too. So a record says what real images
themselves would score after one pass through here (``augmented_once``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..api import Flip
from ..data.pixels import to_model_range, to_store_range
from ..errors import PluginError

BATCH = 256
"""Images that are augmented at a time where nobody trains on them."""


def flip(images: Tensor, reach: float) -> Tensor:
    """Mirror each image left-right with probability 1/2."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def shift(images: Tensor, reach: float) -> Tensor:
    """Translate each image by whole pixels, up to ``reach`` of its side and at least up to one.

    What enters repeats the edge: a black border would be a structure that no real image has.
    """
    n, _, height, width = images.shape
    rows, columns = (_moved(n, side, reach, images.device) for side in (height, width))
    image = torch.arange(n, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
    # Not channels last, as the gathering left it: which layout serves a network is the network's to say.
    return moved.permute(0, 3, 1, 2).contiguous()


def _moved(n: int, side: int, reach: float, device: torch.device) -> Tensor:
    """Where each of ``n`` images takes its lines from, (n, side)."""
    longest = max(1, round(side * reach))
    distance = torch.randint(-longest, longest + 1, (n, 1), device=device)
    return (torch.arange(side, device=device) - distance).clamp(0, side - 1)


AUGMENTATIONS: Mapping[str, Callable[[Tensor, float], Tensor]] = {"flip": flip, "shift": shift}


def compose(names: Sequence[str], reach: float) -> Callable[..., tuple[Tensor, ...]]:
    """One function that applies the named augmentations in order to float32 (n, C, H, W) in [-1, 1].

    Given several pictures of the same images, such as two modalities, it moves all of them alike.

    Args:
        names: Some of ``AUGMENTATIONS``.
        reach: Longest translation, as a share of the side.

    Raises:
        PluginError: A model asks for one that does not exist.
    """
    if unknown := [name for name in names if name not in AUGMENTATIONS]:
        raise PluginError(f"unknown augmentation {unknown[0]!r}", needed=f"among {', '.join(AUGMENTATIONS)}")
    chosen = [AUGMENTATIONS[name] for name in names]

    def apply(*pictures: Tensor) -> tuple[Tensor, ...]:
        if not chosen:
            return pictures
        # Side by side as channels of one image, for which each augmentation draws once.
        images = torch.cat(pictures, 1) if len(pictures) > 1 else pictures[0]
        for augmentation in chosen:
            images = augmentation(images, reach)
        return tuple(images.split([picture.shape[1] for picture in pictures], dim=1))

    return apply


def augmented_once(images: NDArray[np.uint8], names: Sequence[str], reach: float) -> NDArray[np.uint8]:
    """What a perfect imitator of augmented images makes: each of uint8 (N, C, H, W) once through them.

    The same images always come out alike, whatever was drawn before, and nothing drawn later depends on it.
    """
    augment = compose(names, reach)
    made = np.empty_like(images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.array(images[start : start + BATCH]))
            (moved,) = augment(to_model_range(batch))
            made[start : start + BATCH] = to_store_range(moved).numpy()
    return made


def augmentation_caveats(names: Sequence[str], flips: Sequence[Flip]) -> tuple[str, ...]:
    """What a reader of any score must know: mirrored images may show an anatomy that nobody has."""
    if "flip" in names and "left-right" not in flips:
        return (
            "trained on images mirrored left-right, of which the data set does not say that they keep their "
            "anatomy",
        )
    return ()
