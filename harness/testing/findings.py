"""What was checked of a plugin, and what broke."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import BenchError


@dataclass(frozen=True)
class Finding:
    """One way in which a plugin does not keep its contract.

    Attributes:
        check: What was checked.
        broken: What broke.
    """

    check: str
    broken: str

    def __str__(self) -> str:
        return f"{self.check}: {self.broken}"


@dataclass(frozen=True)
class Checked:
    """All that was checked of one plugin.

    Attributes:
        subject: The plugin.
        checks: What was checked, in order.
        findings: What broke; empty for a plugin that keeps its contract.
    """

    subject: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]


def assert_passes(checked: Checked) -> None:
    """Fail a test with everything that broke."""
    if not checked.checks:
        raise AssertionError(f"nothing was checked of {checked.subject}")
    if checked.findings:
        raise AssertionError(
            "\n  ".join([f"{checked.subject} does not keep its contract:", *map(str, checked.findings)])
        )


class Checks:
    """Runs checks of one plugin, each whatever became of those before."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._checks: list[str] = []
        self._findings: list[Finding] = []

    def run(self, check: str, body: Callable[[], Iterable[str]]) -> bool:
        """Run a check that gives a sentence for all that it finds broken; an exception is a finding too.

        Returns:
            Whether nothing broke.
        """
        self._checks.append(check)
        found: list[str] = []
        try:
            found.extend(body())
        except Exception as error:  # the plugin is a stranger's
            found.append(_told(error))
        self._findings.extend(Finding(check, broken) for broken in found)
        return not found

    @property
    def result(self) -> Checked:
        """What was found so far."""
        return Checked(self.subject, tuple(self._checks), tuple(self._findings))


def _told(error: Exception) -> str:
    """An exception in one line, with the place that raised it."""
    if isinstance(error, BenchError):
        return error.found + (f"; needed: {error.needed}" if error.needed else "")
    where = traceback.extract_tb(error.__traceback__)[-1]
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''} ({Path(where.filename).name}:{where.lineno})"
