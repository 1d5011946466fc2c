"""What comes of verifying a record, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["equal", "rounding", "differs", "unchecked"]


@dataclass(frozen=True)
class Finding:
    """What came of one part of a record.

    Attributes:
        what: The part: ``record``, ``identity``, ``log``, ``networks``, ``images``, or a score: ``best swd``.
        verdict: ``rounding`` is a difference that rounding explains; ``unchecked``: nobody can tell here.
        words: Why, or what it was held against.
        needed: Whether the record holds only if this does. Not so for what no table shows by default.
        recorded: The score in the record; None where the part is none, or has none.
        recomputed: The score as it is here.
        tolerance: By how much rounding may move it, where that was needed.
    """

    what: str
    verdict: Verdict
    words: str = ""
    needed: bool = True
    recorded: float | None = None
    recomputed: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Verified:
    """What came of a record, part by part."""

    name: str
    findings: Sequence[Finding]

    @property
    def holds(self) -> bool | None:
        """Whether it does; None where something that it takes could not be checked and nothing differs."""
        if any(one.verdict == "differs" for one in self.findings):
            return False
        is_whole = all(one.verdict != "unchecked" for one in self.findings if one.needed)
        return True if is_whole else None
