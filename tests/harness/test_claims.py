"""Claims between machines that share a folder and nothing else: killed, frozen and mistaken holders."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pretend_hosts
import pytest
import toy_plugin

from harness import claims
from harness.claims import Claim, claimed
from harness.errors import BusyError, StorageError
from harness.files import atomic_write, clear_partial
from harness.holders import Looker

LEASE = 1.5

HOLDER = f"""
import os, sys, time
from pathlib import Path
import pretend_hosts
from harness import claims
from harness.errors import BusyError, StorageError
from harness.files import atomic_write, clear_partial

folder, locks, clock = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
claims.LEASE_SECONDS, claims.HEARTBEAT_SECONDS = {LEASE}, {LEASE} / 5
pretend_hosts.become("other", locks, clock=clock)

def say(*words):
    print(*words, flush=True)

try:
    with claims.claimed(folder, job="slurm:7_3") as claim:
        say("holds")
        for line in sys.stdin:
            match line.split():
                case ["write", name]:
                    with atomic_write(folder / name) as file:
                        file.write(b"by the other")
                    say("wrote")
                case ["slowly", name]:
                    with atomic_write(folder / name) as file:
                        file.write(b"by the other")
                        say("half")
                        sys.stdin.readline()
                    say("wrote")
                case ["heed"]:
                    claim.heed()
                    say("held")
                case ["end"]:
                    break
    say("ended")
except BusyError as error:
    say("lost", error.found)
except OSError as error:
    say("refused", error)
except Exception as error:
    say("refused", type(error).__name__)
"""


class Other:
    """A process of another machine, which claims a folder."""

    def __init__(self, folder: Path, locks: Path, clock: float = 0.0) -> None:
        here = Path(pretend_hosts.__file__).parent
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), str(locks), str(clock)],
            env={**os.environ, "PYTHONPATH": str(here)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self) -> str:
        """The next line that it says."""
        output = self.process.stdout
        assert output is not None
        return output.readline().strip()

    def do(self, line: str) -> None:
        """Have it do something."""
        entry: IO[str] | None = self.process.stdin
        assert entry is not None
        entry.write(line + "\n")
        entry.flush()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        self.process.send_signal(number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What both machines see."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", LEASE)
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", LEASE / 5)


@pytest.fixture
def other(folder: Path) -> Iterator[Callable[..., Other]]:
    """Starts processes of another machine; whatever lives at the end is killed."""
    started: list[Other] = []

    def start(clock: float = 0.0) -> Other:
        started.append(Other(folder, folder.parent / "locks", clock))
        assert started[-1].told() == "holds"
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def take(folder: Path) -> Claim:
    """Claim a folder as soon as it is free."""
    claim = Claim(folder)
    claim.wait(lambda: None)
    return claim


Others = Callable[..., Other]


def test_who_holds_it_elsewhere_is_named_at_once(folder: Path, other: Others) -> None:
    holder = other()
    began = time.monotonic()
    words = rf"process {holder.process.pid} on other \(job slurm:7_3\) is working on"
    with pytest.raises(BusyError, match=words), claimed(folder):
        pass
    assert time.monotonic() - began < LEASE, "a lease that moves needs no waiting"
    holder.do("end")
    assert holder.told() == "ended"
    with claimed(folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == [".lock"]


def test_a_holder_that_was_killed_elsewhere_is_replaced_in_the_time_of_a_lease(
    folder: Path, other: Others
) -> None:
    holder = other()
    holder.send(signal.SIGKILL)
    holder.process.wait()
    began = time.monotonic()
    claim = take(folder)
    assert time.monotonic() - began > LEASE * 0.8, "it may have been alive"
    claim.check()
    claim.release()


def test_a_holder_that_was_killed_here_is_replaced_at_once(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness import claims; "
        f"claims.LEASE_SECONDS = {claims.LEASE_SECONDS}; claims.HEARTBEAT_SECONDS = {claims.HEARTBEAT_SECONDS}; "
        "claim = claims.Claim(Path(sys.argv[1])); claim.take(); print('holds', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"holds\n"
            looker = Looker()
            assert looker.is_held(folder)
        finally:
            holder.kill()
        holder.wait()
        assert not looker.is_held(folder)
        began = time.monotonic()
        take(folder).release()
        assert time.monotonic() - began < LEASE / 2


@pytest.mark.parametrize("what", ["heed", "write late.txt"])
def test_a_frozen_holder_hears_that_it_lost_before_it_does_anything(
    folder: Path, other: Others, what: str
) -> None:
    holder = other()
    holder.send(signal.SIGSTOP)
    claim = take(folder)
    holder.do(what)
    holder.send(signal.SIGCONT)
    assert holder.told().startswith("lost")
    assert not (folder / "late.txt").exists()
    claim.check()
    claim.release()


def test_a_file_that_was_half_written_when_its_holder_froze_never_appears(
    folder: Path, other: Others
) -> None:
    holder = other()
    holder.do("slowly record.json")
    assert holder.told() == "half"
    holder.send(signal.SIGSTOP)
    claim = take(folder)
    clear_partial(folder)
    (folder / "record.json").write_text("by whom it belongs to")
    holder.do("on")
    holder.send(signal.SIGCONT)
    assert holder.told().split()[0] in ("lost", "refused")
    assert (folder / "record.json").read_text() == "by whom it belongs to"
    claim.release()


@pytest.mark.parametrize("clock", [3600.0, -3600.0])
def test_clocks_need_not_agree(folder: Path, other: Others, clock: float) -> None:
    holder = other(clock)
    until = time.monotonic() + 2 * LEASE
    while time.monotonic() < until:
        with pytest.raises(BusyError):
            Claim(folder).take()
    holder.do("heed")
    assert holder.told() == "held"
    holder.send(signal.SIGKILL)
    take(folder).release()


def test_a_lease_is_watched_before_it_is_called_left(folder: Path, other: Others) -> None:
    holder, looker = other(), Looker()
    until = time.monotonic() + 2 * LEASE
    while time.monotonic() < until:
        assert looker.is_held(folder)
        time.sleep(0.1)
    holder.send(signal.SIGKILL)
    holder.process.wait()
    assert looker.is_held(folder)
    until = time.monotonic() + 3 * LEASE
    while looker.is_held(folder):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_nothing_is_written_once_a_claim_was_taken_away(folder: Path) -> None:
    with claimed(folder) as claim:
        with atomic_write(folder / "first.txt") as file:
            file.write(b"1")
        lease = claim.lease_path.read_text()
        claim.lease_path.write_text(lease.replace("token=", "token=not"))
        with pytest.raises(BusyError, match="took over"), atomic_write(folder / "second.txt") as file:
            file.write(b"2")
        claim.lease_path.write_text(lease)
    assert [path.name for path in folder.iterdir() if path.suffix == ".txt"] == ["first.txt"]
    with atomic_write(folder / "third.txt") as file:
        file.write(b"3: nobody claims the folder any more")


def test_a_half_written_file_that_the_next_holder_removed_tells_who_took_over(folder: Path) -> None:
    with claimed(folder) as claim:
        lease = claim.lease_path.read_text()
        with pytest.raises(BusyError, match="took over"), atomic_write(folder / "late.txt") as file:
            file.write(b"1")
            claim.lease_path.write_text(lease.replace("token=", "token=not"))
            clear_partial(folder)
        claim.lease_path.write_text(lease)
    assert not list(folder.glob("*.txt"))


def test_a_folder_that_was_removed_is_told_as_such(folder: Path) -> None:
    with claimed(folder) as claim:
        shutil.rmtree(folder)
        with pytest.raises(StorageError, match="was removed"):
            claim.check()


def test_cells_of_two_machines_survive_kills_and_freezes(tmp_path: Path) -> None:
    """The whole of it, small: ``benchmarks/two_hosts.py`` does the same with forty cells for many minutes."""
    (tmp_path / "installed").mkdir()
    path = toy_plugin.install(tmp_path / "installed")
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    small = "--cells 4 --lease 1.5 --every 0.7 --most 8 --pause 0.15 --seconds 120".split()
    kind = "--model linear-gan --dataset discs --res 16 --metric brightness".split()
    answer = subprocess.run(
        [
            sys.executable,
            Path(pretend_hosts.__file__).with_name("two_hosts.py"),
            *small,
            *kind,
            f"--seed={seed}",
        ],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "each record once" in answer.stdout
