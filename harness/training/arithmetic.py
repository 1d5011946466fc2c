"""The arithmetic of training steps, and what ``auto`` means where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def effective_precision(precision: str, device: torch.device) -> str:
    """What a cell's ``precision`` means on a device: ``auto`` is tf32 on CUDA and fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "tf32" if device.type == "cuda" else "fp32"


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Arithmetic of the steps inside; what stood before is restored."""
    precision = effective_precision(precision, device)
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    try:
        # Without its cache: it keeps a weight's copy for as long as the context lasts, whatever the optimiser
        # does to the weight, and hands a copy that was made without gradients to whoever needs them.
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
