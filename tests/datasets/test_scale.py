"""From a file's values to greys."""

from __future__ import annotations

import numpy as np
import pytest
from harness_datasets.scale import percentile


@pytest.mark.parametrize("count", [1, 2, 3, 10, 1001, 250_000])
@pytest.mark.parametrize("percent", [0.0, 0.5, 37.31, 50.0, 99.5, 100.0])
def test_a_percentile_is_exactly_that_of_sorted_values(count: int, percent: float) -> None:
    seed = count + int(100 * percent)
    print(f"seed {seed}")
    values = (np.random.default_rng(seed).normal(size=count) * 300).astype(np.float32)
    ordered = np.sort(values)
    place = (count - 1) * (percent / 100.0)
    low, high = ordered[int(place)], ordered[min(int(place) + 1, count - 1)]

    found = percentile(values.copy(), percent)

    exact = float(low) + (float(high) - float(low)) * (place - int(place))
    assert found == pytest.approx(exact, rel=1e-6, abs=1e-6)
    assert low <= np.float32(found) <= high
    if (place - int(place)) == 0.0:
        assert found == low


def test_a_percentile_by_hand() -> None:
    # Of 5 values the 30th percentile lies at place 4 * 0.3 = 1.2: 20 + 0.2 * (30 - 20).
    assert percentile(np.array([50, 20, 30, 10, 40], np.float32), 30.0) == pytest.approx(22.0)
