"""Compiling a model's networks, where this machine and the networks allow it.

The networks are compiled, not the step: losses, augmentation and optimisers stay as they are, and so do the
names in ``state_dict``. They are compiled for training alone, so that samples depend on no compiler. On CUDA
the compiled networks replay CUDA graphs, which is what a step of small kernels needs there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..api import Model


def compile_networks(model: Model, batch_size: int, device: torch.device) -> str | None:
    """Compile every network of a model in place, and try each forwards and backwards.

    The trial leaves weights, buffers and random numbers as they were.

    Returns:
        Why it can't be done, in one line; the networks then stay as they were.
    """
    networks = model.networks()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            inputs = model.example_inputs(batch_size)
            for name, network in networks.items():
                _compile(network, "reduce-overhead" if device.type == "cuda" else None)
                _try(network, *(part.to(device) for part in inputs[name]))
    except Exception as error:  # a compiler may fail in any way
        for network in networks.values():
            network.__dict__.pop("forward", None)
        return f"not compiled, {type(error).__name__}: {_first_line(error)}"
    return None


def begin_step(device: torch.device) -> None:
    """Tell CUDA graphs that nobody reads what the networks returned in earlier steps."""
    if device.type == "cuda":
        torch.compiler.cudagraph_mark_step_begin()


def _compile(network: nn.Module, mode: str | None) -> None:
    plain = network.forward
    compiled = torch.compile(plain, mode=mode, dynamic=False)
    network.forward = lambda *inputs: (compiled if network.training else plain)(*inputs)


def _try(network: nn.Module, *inputs: Tensor) -> None:
    before = [buffer.clone() for buffer in network.buffers()]
    try:
        outputs = torch.utils._pytree.tree_leaves(network(*inputs))
        torch.stack([part.mean() for part in outputs if isinstance(part, Tensor)]).sum().backward()
    finally:
        network.zero_grad(set_to_none=True)
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
