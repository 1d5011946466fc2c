"""A score that needs nothing but pixels."""

from harness.api import Metric, Population


class Brightness(Metric):
    version = 1
    needs = "images"
    goals = {"brightness": "lower"}

    def compute(
        self, train: Population, held_out: Population | None, generated: Population
    ) -> dict[str, float]:
        return {"brightness": abs(float(train.values.mean()) - float(generated.values.mean()))}
