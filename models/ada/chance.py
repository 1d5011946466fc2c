"""What happens to some images and not to others."""

from __future__ import annotations

import torch
from torch import Tensor

#: A probability from 0 to 1, known to Python or only to the device.
Strength = float | Tensor


def either(value: Tensor, neutral: Tensor, chance: Strength) -> Tensor:
    """For each image, the last dimension, ``value`` with that chance, or else ``neutral``."""
    draws = torch.rand(value.shape[-1], device=value.device)
    return torch.where(draws < chance, value, neutral)
