"""What runs in a worker of Ray: one cell, as a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LOOK_SECONDS = 0.2
STARTED = "task of Ray, on "
"""What a cell's log says before each attempt, with the machine's name."""


def compute(arguments: Sequence[str], log: str) -> int:
    """Compute a cell; returns its exit code.

    Ray cancels a task by an exception in its main thread, which no ``wait`` for a process hears: so the cell
    is looked after instead. It saves and ends when it is asked to, which may be more than once, and when the
    worker is gone.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        output.write(f"{STARTED}{socket.gethostname()}\n".encode())
        output.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HAGAN_BENCH_JOB": f"ray:{_task()}"},
            start_new_session=True,
        )
        is_asked = False
        while process.poll() is None:
            try:
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                # A second signal would end the cell before it has saved.
                if not is_asked:
                    process.terminate()
                is_asked = True
        return process.returncode


def _task() -> str:
    import ray

    return str(ray.get_runtime_context().get_task_id())
