"""The optimiser that all models here but one train with."""

from __future__ import annotations

import torch
from torch import nn


def adam(network: nn.Module, lr: float, betas: tuple[float, float], eps: float = 1e-8) -> torch.optim.Adam:
    """Adam in one fused kernel over all parameters: the same numbers, without a launch for each tensor.

    The fused kernel on the CPU walks through memory and ignores strides, so parameters must keep the plain
    layout (autograd lays gradients out like their parameters). Only activations are channels last here.
    """
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, eps=eps, fused=True)
