"""Finding out, without an accelerator, whether code would wait for one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_READERS = (
    "item", "tolist", "numpy", "cpu", "nonzero",
    "__bool__", "__float__", "__int__", "__index__", "__array__",
)  # fmt: skip
#: Optimisers count their steps on the host; what they read there has never been on a device.
_ON_THE_HOST = Path(torch.optim.__file__).parent


@contextmanager
def noting_waits(waits: list[str]) -> Iterator[None]:
    """Note every place where Python reads a value of a tensor: on an accelerator it would wait for it."""
    originals = {name: getattr(Tensor, name) for name in _READERS}
    try:
        for name, original in originals.items():
            setattr(Tensor, name, _noting(name, original, waits))
        yield
    finally:
        for name, original in originals.items():
            setattr(Tensor, name, original)


def _noting(name: str, original: Any, waits: list[str]) -> Any:
    def read(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        file = Path(frame.f_code.co_filename)
        place = f"{file.name}:{frame.f_lineno} calls Tensor.{name}"
        if not file.is_relative_to(_ON_THE_HOST) and place not in waits:
            waits.append(place)
        return original(self, *args, **kwargs)

    return read
