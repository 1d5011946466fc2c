"""Random arguments for every command: documented exit codes, no traceback, no hang. The campaign in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.minutes

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the campaign forks, and waits by what Linux has")
def test_sixty_random_calls(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "faults.py", "--family=fuzz", "--trials=60", "--seed=1"]
    done = subprocess.run([*command, f"--out={tmp_path}"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "faults.json").read_text())
    assert found["trials"] == 60
    assert found["faults"] == 0
