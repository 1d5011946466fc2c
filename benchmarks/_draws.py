"""The same random numbers on every device and in every type."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

#: Functions that draw numbers, and whether they read shape and device from their first argument.
DRAWS = {torch.rand: False, torch.randn: False, torch.randint: False, torch.randn_like: True}


class SameDraws(TorchFunctionMode):
    """Inside, random numbers are drawn in float32 on the CPU, and sent to where they were asked for."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.stream = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        options = dict(options or {})
        if function not in DRAWS:
            return function(*arguments, **options)
        device = options.pop("device", None)
        options["generator"] = self.stream
        if DRAWS[function]:
            like, *arguments = arguments
            device, kind = like.device, like.dtype
            return torch.randn(like.shape, **options, dtype=torch.float32).to(device, kind)
        if function is torch.randint:
            return function(*arguments, **options).to(device)
        return function(*arguments, **options, dtype=torch.float32).to(device, torch.get_default_dtype())
