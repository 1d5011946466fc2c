"""What comes out of scoring: numbers, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Scores, and how far to trust them.

    Attributes:
        scores: Every score by name.
        context: Distances of real images, errors and gaps, by names that begin with their score's.
        notes: What a reader should know, one line each.
        caveats: Why the scores may not mean what they seem to, one line each.
    """

    scores: dict[str, float]
    context: dict[str, float]
    notes: list[str]
    caveats: list[str]
