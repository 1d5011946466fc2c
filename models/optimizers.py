"""How networks learn: the optimiser that all models here but one have, and the step that all of them take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from harness.api import Clock

from .settings import DescentConfig


def adam(network: nn.Module, lr: float, betas: tuple[float, float], eps: float = 1e-8) -> torch.optim.Adam:
    """Adam in one fused kernel over all parameters: the same numbers, without a launch for each tensor.

    The fused kernel on the CPU walks through memory and ignores strides, so parameters must keep the plain
    layout (autograd lays gradients out like their parameters). Only activations are channels last here.
    """
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, eps=eps, fused=True)


class Descent:
    """Steps down a loss, with the learning rate and the length of the gradient that a config asks for.

    It has no state: the rate is a function of the clock, so a resumed training goes on at the same one.

    Args:
        optimizers: By name, freshly made: their learning rates are those of the whole training.
        config: The config.
        rate: What learning rates are multiplied by at a time; None for ``rate_factor``.
    """

    def __init__(
        self,
        optimizers: Mapping[str, torch.optim.Optimizer],
        config: DescentConfig,
        rate: Callable[[Clock], float] | None = None,
    ) -> None:
        self.optimizers = dict(optimizers)
        self.config = config
        self._rate = rate or partial(rate_factor, config)
        self._rates = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in optimizers.items()
        }

    def step(self, name: str, loss: Tensor, clock: Clock) -> None:
        """One step of one optimiser."""
        optimizer = self.optimizers[name]
        factor = self._rate(clock)
        for group, rate in zip(optimizer.param_groups, self._rates[name], strict=True):
            group["lr"] = rate * factor
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.gradient_clip is not None:
            learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(learning, self.config.gradient_clip)
        optimizer.step()


def rate_factor(config: DescentConfig, clock: Clock) -> float:
    """What learning rates are multiplied by: it rises with the first steps and falls with the last epochs.

    Source: reference: hojonathanho/diffusion for the rise, whose first step has a rate of 0;
    junyanz/pytorch-CycleGAN-and-pix2pix for the fall, whose last epoch still has one above 0.
    """
    risen = min(1.0, clock.step / config.lr_warmup) if config.lr_warmup else 1.0
    if config.lr_decay_from == 1:
        return risen
    constant = config.lr_decay_from * clock.epochs
    fallen = max(0.0, clock.epoch + 1 - constant) / (clock.epochs + 1 - constant)
    return risen * (1 - fallen)
