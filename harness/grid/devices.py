"""The devices of this machine, as torch sees them; asked where there may be more than processors."""

from __future__ import annotations

import sys
from pathlib import Path

from .helper import in_helper

DRIVERS = ("nvidia*", "nvhost*", "nvgpu*", "kfd", "dxg")
"""What drivers of GPUs put into Linux's /dev."""


def devices_here() -> list[str]:
    """Every GPU, or else ``cpu`` alone."""
    return in_helper(_devices) if _may_have_gpus() else ["cpu"]


def check_device(name: str) -> None:
    """Refuse a device that can't be used here.

    Raises:
        SpecError: It can't.
    """
    if name not in ("auto", "cpu"):
        in_helper(_check, name)


def _may_have_gpus() -> bool:
    return sys.platform != "linux" or any(next(Path("/dev").glob(name), None) for name in DRIVERS)


def _devices() -> list[str]:
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]


def _check(name: str) -> None:
    from ..running.environment import pick_device

    pick_device(name)
