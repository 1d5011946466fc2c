"""A score that needs nothing but pixels."""

import torch

from harness.api import Metric, Population


class Brightness(Metric[float]):
    version = 1
    needs = "images"
    goals = {"brightness": "lower"}

    def reference(self, train: Population, held_out: Population | None) -> float:
        # Called once, for the real images stay the same: what is returned is handed to `compute`.
        return float(train.values.mean())

    def compute(self, reference: float, generated: Population, device: torch.device) -> dict[str, float]:
        return {"brightness": abs(reference - float(generated.values.mean()))}
