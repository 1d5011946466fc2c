"""Adaptive augmentation: more of it where the discriminator knows the training images too well."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Steps between two adjustments.
INTERVAL = 4


class Adaptation(nn.Module):
    """The chance p of each augmentation, which follows the sign of the scores of real images.

    Attributes:
        chance: p.
        signs: Sum of the signs since the last adjustment.
        seen: How many scores they were of.

    Source: Karras et al. 2020 (ADA), Eq. 1 (r_t) and section 3; reference: NVlabs/stylegan2-ada-pytorch.
    """

    chance: Tensor
    signs: Tensor
    seen: Tensor

    def __init__(self, target: float, images: float) -> None:
        """Args: the mean sign that is aimed at; after how many images p may have risen by 1."""
        super().__init__()
        self.target = target
        self.images = images
        for name in ("chance", "signs", "seen"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def note(self, scores: Tensor) -> None:
        """Take in scores of real images."""
        self.signs += scores.float().sign().sum()
        self.seen += scores.numel()

    @torch.no_grad()
    def adjust(self, step: int, count: int) -> None:
        """Every fourth step, of so many images each: p rises where r_t is above its target, or falls."""
        if (step + 1) % INTERVAL:
            return
        direction = (self.signs / self.seen.clamp(min=1) - self.target).sign()
        self.chance.copy_((self.chance + direction * (count * INTERVAL / self.images)).clamp(min=0))
        self.signs.zero_()
        self.seen.zero_()
