"""Plain augmentations of real images, on the device: one draw for each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..errors import PluginError

SHIFT = 0.125
"""Longest translation, as a share of the side (8 px at 64): the range DiffAugment uses (arXiv 2006.10738)."""


def flip(images: Tensor) -> Tensor:
    """Mirror each image left-right with probability 1/2."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def shift(images: Tensor) -> Tensor:
    """Translate each image by whole pixels, up to ``SHIFT`` of its side; what enters is black (-1)."""
    n, _, height, width = images.shape
    reach_y, reach_x = round(height * SHIFT), round(width * SHIFT)
    dy = torch.randint(-reach_y, reach_y + 1, (n, 1), device=images.device)
    dx = torch.randint(-reach_x, reach_x + 1, (n, 1), device=images.device)
    rows = torch.arange(height, device=images.device) - dy
    columns = torch.arange(width, device=images.device) - dx
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[
        :, None, None, :
    ]
    image = torch.arange(n, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[
        image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    ].permute(0, 3, 1, 2)
    # Not channels last, as the gathering left it: which layout serves a network is the network's to say.
    return torch.where(inside, moved, -1.0).contiguous()


AUGMENTATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"flip": flip, "shift": shift}


def compose(names: Sequence[str]) -> Callable[..., tuple[Tensor, ...]]:
    """One function that applies the named augmentations in order to float32 (n, C, H, W) in [-1, 1].

    Given several pictures of the same images, such as two modalities, it moves all of them alike.

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
            images = augmentation(images)
        return tuple(images.split([picture.shape[1] for picture in pictures], dim=1))

    return apply
