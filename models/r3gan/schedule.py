"""R3GAN's schedules: all settings go from their first to their last value along half a cosine."""

from __future__ import annotations

import math


def along(first: float, last: float, progress: float) -> float:
    """The value at a progress from 0 to 1, and ``last`` beyond.

    Source: reference: brownvc/R3GAN.
    """
    rest = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return last + (first - last) * rest
