"""Standard output in another encoding, full, or closed: told, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = [sys.executable, "-m", "harness"]
FULL = Path("/dev/full")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_encoding_will_do(encoding: str) -> None:
    answer = subprocess.run(
        [*BENCH, "show", "protocol"],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    answer = subprocess.run([*BENCH, "table", "2", "--results", str(tmp_path / name)], capture_output=True)
    assert answer.returncode == 2
    assert b"error: there is no folder" in answer.stderr
    assert b"Traceback" not in answer.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with FULL.open("wb") as full:
        answer = subprocess.run([*BENCH, "list"], stdout=full, stderr=subprocess.PIPE)
    assert answer.returncode == 2
    assert answer.stderr.startswith(b"error: No space left")
    assert b"Traceback" not in answer.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run([*BENCH, "list"], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert answer.returncode == 1
    assert answer.stderr == b""


def test_closed_streams_are_no_place_for_other_files(tmp_path: Path) -> None:
    script = tmp_path / "closed.py"
    script.write_text(
        "import os, sys\n"
        "from harness.cli.ending import end\n"
        "def command():\n"
        "    print('nobody reads this')\n"
        "    with open(sys.argv[1], 'w') as file:\n"
        "        assert file.fileno() > 2\n"
        "os._exit(end(command))\n"
    )
    command = f"exec {sys.executable} {script} {tmp_path / 'file'} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command]).returncode == 0
    assert (tmp_path / "file").read_text() == ""
