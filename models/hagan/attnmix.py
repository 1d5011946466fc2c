"""AttnMix: real and generated images mixed, their labels corrected by attention (Eq. 1 to 4)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ..mixing import box_masks, mix


class Mixed(NamedTuple):
    """Mixed images and their labels.

    Attributes:
        images: (n, C, H, W), real where the mask is 1.
        mask: (n, 1, H, W) of zeros and ones: the label of each pixel.
        ratio: (n,) in [0, 1]: the label of each image.
    """

    images: Tensor
    mask: Tensor
    ratio: Tensor


def attnmix(real: Tensor, fake: Tensor, saliency: Tensor | None, alpha: float) -> Mixed:
    """Mix real and generated images by random boxes.

    Args:
        real: x, (n, C, H, W), not augmented, so that mask and saliency stay aligned with it.
        fake: G(z), same shape, not augmented.
        saliency: A, the attention that each position of G(z) receives, (n, 1, h, w) of any size; None
            for a generator without attention, whose label is the area ratio.
        alpha: Weight of the two ratios.
    """
    mask = box_masks(len(real), real.shape[-1], real.device)
    return Mixed(mix(mask, real, fake), mask, mixing_ratio(mask, saliency, alpha))  # Eq. 1 and 2


def mixing_ratio(mask: Tensor, saliency: Tensor | None, alpha: float) -> Tensor:
    """Lambda, how real a mixed image is: (n,) in [0, 1] for alpha up to 1/2."""
    area_ratio = mask.mean(dim=(1, 2, 3))  # lambda_0
    if saliency is None:
        return area_ratio
    attention = F.interpolate(saliency, mask.shape[2:], mode="bilinear", align_corners=False)
    kept = (mask * attention).sum(dim=(1, 2, 3))
    attention_ratio = kept / (kept + ((1 - mask) * attention).sum(dim=(1, 2, 3)))  # Eq. 3, lambda_1
    return alpha * (area_ratio + attention_ratio)  # Eq. 4
