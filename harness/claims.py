"""Claims: the sole right to work in a folder, among all processes of all machines that see it.

A claim is two locks. The system's (flock) is free at once when its process dies, but some network file
systems keep it to one machine. The other is a lease: a file that its holder touches every few seconds, and
that others may take when they have watched it untouched for long enough, each by its own clock, so that no
two clocks need to agree. Nothing but both is always safe: a folder that is local here may be shared.

A lease alone is no fence: its holder may be frozen after it looked, and wake up when it has lost. So a file
that is written while a claim is held is written under another name, the claim is asked, and only then it
takes its place (``harness.files``); and who takes a claim removes all such files first. Whoever wakes up late
finds that the claim is lost, or that the file is gone.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, SoftFileLease, Timeout

from .errors import BusyError, StorageError
from .files import guarding, move_aside, open_file, read_file, read_json, storage_error

LEASE_SECONDS = 10.0
"""A lease that was watched untouched for so long is anybody's."""
HEARTBEAT_SECONDS = 2.0
RETRY_SECONDS = 0.2
HOLDER = ".holder.json"


class Claim:
    """A claim on a folder, or on a part of it.

    Args:
        folder: The folder; it exists.
        what: What the names of the claim's files begin with, where a folder has several claims.
        job: The job that this process is of, as its queue calls it; None outside of a queue.
    """

    def __init__(self, folder: Path, what: str = "", *, job: str | None = None) -> None:
        self.folder, self.job = folder, job
        self.lease_path = folder / f"{what}.lease"
        self.holder_path = folder / f"{what}{HOLDER}"
        self._asked = time.monotonic()
        self._lock = FileLock(folder / f"{what}.lock")
        self._lease = SoftFileLease(
            self.lease_path,
            lease_duration=LEASE_SECONDS,
            heartbeat_interval=HEARTBEAT_SECONDS,
            thread_local=False,
        )

    def take(self) -> None:
        """Take it. Where its holder may have died on another machine, this takes as long as the lease.

        Raises:
            BusyError: Somebody holds it.
            StorageError: The folder can't be written to.
        """
        for path in (Path(self._lock.lock_file), self.lease_path):
            if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
                # Before it is opened: a pipe would wait for somebody at its other end.
                raise StorageError(
                    f"{path} can't be locked: it is no file",
                    needed="the lock of the cell, a file",
                    hint=move_aside(path),
                )
        try:
            self._lock.acquire(timeout=0)
            try:
                self._take_lease()
            except BaseException:
                self._lock.release()
                raise
        except Timeout as error:
            raise BusyError(
                f"{holder_of(self.holder_path)} is working on {self.folder}",
                hint="wait for it, or name other --results",
            ) from error
        except OSError as error:
            raise storage_error(Path(self._lock.lock_file), error) from error
        self._asked = time.monotonic()
        _write_holder(self.holder_path, self.job, self._lease.token)

    def _take_lease(self) -> None:
        began, seen = time.monotonic(), stamp_of(self.lease_path)
        while True:
            try:
                self._lease.acquire(timeout=0)
                return
            except Timeout:
                # A lease that moves has a holder; one that rests may be nobody's, which shows in time.
                if stamp_of(self.lease_path) != seen:
                    raise
                if time.monotonic() - began > LEASE_SECONDS + 2 * HEARTBEAT_SECONDS:
                    raise
            time.sleep(RETRY_SECONDS)

    def wait(self, look: Callable[[], None]) -> None:
        """Take it as soon as nobody else holds it; ``look`` is called meanwhile, and may raise.

        Raises:
            StorageError: The folder can't be written to.
        """
        while True:
            look()
            try:
                return self.take()
            except BusyError:
                time.sleep(RETRY_SECONDS)

    def release(self) -> None:
        """Give it back; what was lost is left to whoever has it."""
        token = self._lease.token
        if token is not None and token in text_of(self.holder_path):
            try:
                self.holder_path.unlink(missing_ok=True)
            except OSError:
                pass  # a name that stays is only read while somebody holds the claim
        self._lease.release()
        self._lock.release()

    def heed(self) -> None:
        """``check``, where the last time was a heartbeat ago: cheap enough for every step of a training.

        So whoever wakes up from standing still asks before anything else.

        Raises:
            BusyError: As ``check``.
        """
        if time.monotonic() - self._asked > HEARTBEAT_SECONDS or self._lease.compromise is not None:
            self.check()

    def check(self) -> None:
        """Ask the file system whether it is held still.

        Raises:
            BusyError: Somebody else took it, for this process did not move for too long.
            StorageError: The folder was removed.
        """
        token = self._lease.token
        for _ in range(3):
            if token is None or self._lease.compromise is not None:
                break
            if f"token={token}" in text_of(self.lease_path):
                self._asked = time.monotonic()
                return
            time.sleep(RETRY_SECONDS)  # a contender may hold it for a moment, and put it back
        if not self.folder.exists():
            raise StorageError(
                f"{self.folder} was removed while somebody worked there",
                needed="the folder, to keep what comes out",
                hint="the same command makes it anew",
            )
        raise BusyError(
            f"{holder_of(self.holder_path)} took over {self.folder}, since this process stood still for more "
            f"than {LEASE_SECONDS:g} s",
            hint="nothing: the other one goes on with it",
        )


@contextmanager
def claimed(folder: Path, *, job: str | None = None) -> Iterator[Claim]:
    """Hold a folder: files appear there only while the claim is held.

    Raises:
        BusyError: Somebody else holds it, or took it.
        StorageError: The folder can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    claim = Claim(folder, job=job)
    claim.take()
    try:
        with guarding(folder, claim.check):
            yield claim
    finally:
        claim.release()


def holder_of(path: Path) -> str:
    """Who holds a claim, in words, as far as that is known; only asked while it is held.

    Args:
        path: The folder, or the file beside the claim that names its holder.
    """
    try:
        who = read_json(path / HOLDER if path.is_dir() else path)
        pid, host, starter, job = int(who["pid"]), str(who["host"]), int(who["started_by"]), who.get("job")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "another process"
    of_job = f" (job {job})" if job else ""
    if host != socket.gethostname():
        return f"process {pid} on {host}{of_job}"
    left = "" if is_alive(starter) else ", which goes on although what started it is gone"
    return f"process {pid} of this machine{of_job}{left}"


def _write_holder(path: Path, job: str | None, token: str | None) -> None:
    """Say who holds a claim. It is a courtesy: where it can't be written, nothing is lost."""
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_by": os.getppid(),
        "job": job,
        "token": token,
    }
    try:
        path.write_text(json.dumps(who), encoding="utf-8")
    except OSError:
        pass


def text_of(path: Path) -> str:
    """What a file of a claim says; nothing where it can't be read."""
    try:
        return read_file(path).decode(errors="replace")
    except OSError:
        return ""


def stamp_of(path: Path) -> tuple[int, int] | None:
    """What changes when a lease is touched or taken. Opening makes a network file system ask its server."""
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def is_alive(pid: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
