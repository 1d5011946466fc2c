"""What tests of tables share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import Records

from harness.cell.records import Store
from harness.grid import schedule
from harness.running.cell import Outcome


@pytest.fixture
def records(run_tiny: Callable[..., Outcome], tmp_path: Path) -> Records:
    """Records in a store of their own, with one of a real cell to start from."""
    template = run_tiny(results=tmp_path / "template").record
    return Records(template, Store(tmp_path / "results"))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at cells again at once."""
    monkeypatch.setattr(schedule, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(schedule, "ELSEWHERE_SECONDS", 0.0)
