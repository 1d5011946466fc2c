"""First weights, where they are not drawn by torch's own law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.nn.utils import parametrize


def initialise_normal(networks: Sequence[nn.Module]) -> None:
    """Draw convolution weights from N(0, 0.02), those of norms from N(1, 0.02), and set norms' biases to 0.

    Source: Radford et al. 2016; reference: pytorch/examples dcgan, junyanz/pytorch-CycleGAN-and-pix2pix.
    """
    for module in _modules(networks):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(_own_weight(module), 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def initialise_orthogonal(networks: Sequence[nn.Module]) -> None:
    """Make every layer's weight, read as (first dimension) x (rest), a matrix of orthogonal rows or columns.

    Source: Saxe et al. 2014; reference: boschresearch/unetgan, which leaves norms and biases as they are.
    """
    for module in _modules(networks):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.orthogonal_(_own_weight(module))


def _modules(networks: Sequence[nn.Module]) -> Iterator[nn.Module]:
    return (module for network in networks for module in network.modules())


def _own_weight(layer: nn.Module) -> Tensor:
    # Under spectral norm, ``layer.weight`` is computed afresh at each access: writing to it would do nothing.
    name = "parametrizations.weight.original" if parametrize.is_parametrized(layer, "weight") else "weight"
    return layer.get_parameter(name)
