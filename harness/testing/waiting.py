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
_ON_THE_HOST = str(Path(torch.optim.__file__).parent)


class Waited(Exception):
    """A value of a tensor was read back."""


@contextmanager
def never_waiting() -> Iterator[None]:
    """Raise ``Waited`` where Python reads a value of a tensor: on an accelerator it would wait for it."""
    originals = {name: getattr(Tensor, name) for name in _READERS}
    try:
        for name, original in originals.items():
            setattr(Tensor, name, _guarded(name, original))
        yield
    finally:
        for name, original in originals.items():
            setattr(Tensor, name, original)


def _guarded(name: str, original: Any) -> Any:
    def read(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if frame.f_code.co_filename.startswith(_ON_THE_HOST):
            return original(self, *args, **kwargs)
        raise Waited(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} calls Tensor.{name}")

    return read
