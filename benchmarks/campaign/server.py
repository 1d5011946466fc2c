"""Calls of the command line: forks of one warm process, or processes of their own.

Importing torch takes seconds, a fork milliseconds. A forked call runs ``harness.cli.main`` with all that a
real one has: arguments, standard streams, session, limits, and exit. ``real=True`` makes a new interpreter.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import pkgutil
import resource
import select
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

Prepare = Callable[[], None]
"""What a call does first, in its own process: set a limit, or plant a fault."""

MOST_SAID = 1 << 20
"""Bytes that a call may say; whoever says more waits for ever, and counts as hung."""
#: Nothing here reaches out: a fuzzed call might ask for a download.
QUIET = {
    "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb",
    **dict.fromkeys(["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9"),
}  # fmt: skip


def warm() -> None:
    """Import what calls would import, once, in one thread: forks of many are not safe."""
    for name in list(os.environ):
        if name.startswith("HAGAN_BENCH_"):
            del os.environ[name]
    os.environ.update(QUIET)
    import torch

    torch.set_num_threads(1)
    for package in ("harness", "harness_models", "harness_datasets"):
        home = importlib.import_module(package)
        for module in pkgutil.walk_packages(home.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in (
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "rich.live",
        "scipy.linalg",
        "torch._dynamo",
    ):
        importlib.import_module(name)


@dataclass(frozen=True)
class Result:
    """How a call ended; ``code`` is negative for a signal, ``hung`` where it had to be killed."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    hung: bool = False

    @property
    def text(self) -> str:
        """Everything that the user saw."""
        return self.out + self.err

    @property
    def last_line(self) -> str:
        """The last thing that was said."""
        return next((line for line in reversed(self.text.splitlines()) if line.strip()), "")


class Call:
    """A call that is running.

    Args:
        arguments: Of ``bench``.
        folder: Its current folder.
        prepare: What it does first.
        real: Whether it is a new interpreter instead of a fork.
    """

    def __init__(
        self, arguments: Sequence[object], folder: Path, prepare: Prepare | None = None, *, real: bool = False
    ) -> None:
        self.arguments = tuple(map(str, arguments))
        self.started = time.monotonic()
        # Pipes that hold all that is said, and no files: a limit of file sizes is for the command's own.
        pipes = [os.pipe(), os.pipe()]
        for _, end in pipes:
            fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, MOST_SAID)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(folder, [end for _, end in pipes], prepare, real)
        for _, end in pipes:
            os.close(end)
        self._said = [end for end, _ in pipes]
        self._done = os.pidfd_open(self.pid)

    def wait(self, seconds: float = 300.0) -> Result:
        """Its end; what takes longer is killed, and so is everything that it left behind."""
        hung = not self._ends_within(seconds)
        if hung:
            self.send(signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        taken = time.monotonic() - self.started
        self.send(signal.SIGKILL)
        os.close(self._done)
        texts = [_drained(end) for end in self._said]
        return Result(self.arguments, os.waitstatus_to_exitcode(status), *texts, taken, hung)

    def kill_after(self, seconds: float, number: int = signal.SIGKILL) -> None:
        """Send a signal to it alone at a moment, unless it ended before."""
        if not self._ends_within(seconds):
            os.kill(self.pid, number)

    def send(self, number: int) -> None:
        """Send a signal to it and to its children."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self._done], [], [], seconds)[0])

    def _become(self, folder: Path, said: list[int], prepare: Prepare | None, real: bool) -> None:
        """In the child: turn into the command."""
        code = 70  # of no command: something went wrong here
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for here, there in enumerate((nothing, *said)):
                os.dup2(there, here)
            os.closerange(3, 256)
            os.chdir(folder)
            if real:
                if prepare is not None:
                    prepare()
                os.execv(sys.executable, [sys.executable, "-m", "harness", *self.arguments])
            code = self._run_here(prepare)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code & 255)

    def _run_here(self, prepare: Prepare | None) -> int:
        sys.stdout, sys.stderr = (
            open(number, "w", closefd=False, errors="backslashreplace") for number in (1, 2)
        )
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        # Spawned helpers run their parent's main module again: this script must not be it.
        sys.modules["__main__"] = types.ModuleType("__main__")
        sys.argv = ["bench", *self.arguments]
        if prepare is not None:
            prepare()
        from harness.cli import main

        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        from multiprocessing.util import _exit_function

        _exit_function()
        sys.stdout.flush()
        sys.stderr.flush()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGKILL)


def _drained(end: int) -> str:
    """All that waits in a pipe, whoever may still hold its other end."""
    os.set_blocking(end, False)
    parts = []
    try:
        while part := os.read(end, MOST_SAID):
            parts.append(part)
    except BlockingIOError:
        pass
    os.close(end)
    return b"".join(parts).decode(errors="backslashreplace")


def call(
    arguments: Sequence[object],
    folder: Path,
    prepare: Prepare | None = None,
    *,
    real: bool = False,
    seconds: float = 300.0,
) -> Result:
    """Call the command line and wait for its end."""
    return Call(arguments, folder, prepare, real=real).wait(seconds)


def limit_memory(gib: float = 3.0) -> None:
    """In a call: let it ask for so much more than it has, and no more."""
    now = next(
        int(line.split()[1]) * 1024 for line in Path("/proc/self/status").open() if line.startswith("VmSize")
    )
    limit = now + int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
