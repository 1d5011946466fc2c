"""Percentiles that are looked up are NumPy's."""

import random

import numpy as np

from harness.scoring.spaces.radiomics.firstorder import percentiles


def test_percentiles_of_sorted_values_are_numpys_to_the_last_bit() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    draw = np.random.default_rng(seed)
    wanted = np.array([0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0])
    for count in (1, 2, 16, 17, 1000, int(draw.integers(3, 5000))):
        ordered = np.sort(100 * draw.standard_normal((5, count)), axis=1)
        assert np.array_equal(percentiles(ordered, wanted), np.percentile(ordered, wanted, axis=1)), count
